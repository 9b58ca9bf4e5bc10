/** A tool call as the model wrote it. */
export interface ToolCallText {
  /** Id that the answer names; empty when the model gave none. */
  readonly toolCallId: string;
  readonly tool: string;
  /** Arguments: a JSON object as text. */
  readonly argumentsJson: string;
}

/** One message of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** Tool calls of an assistant message. */
  readonly toolCalls?: readonly ToolCallText[];
  /** For role "tool": the call it answers. */
  readonly toolCallId?: string;
}

/** Pure. The message as chat templates read it: OpenAI's names, arguments as an object where they are one. */
export const toTemplateMessage = (message: ChatMessage): Record<string, unknown> => ({
  role: message.role,
  content: message.content,
  ...(message.toolCalls === undefined || message.toolCalls.length === 0
    ? {}
    : { tool_calls: message.toolCalls.map(toTemplateToolCall) }),
  ...(message.toolCallId === undefined ? {} : { tool_call_id: message.toolCallId }),
});

const toTemplateToolCall = (call: ToolCallText): Record<string, unknown> => ({
  id: call.toolCallId,
  type: 'function',
  function: { name: call.tool, arguments: parsedOr(call.argumentsJson) },
});

const parsedOr = (json: string): unknown => {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    // A model may write arguments that are no JSON; the template then shows them as they are.
    return json;
  }
};
