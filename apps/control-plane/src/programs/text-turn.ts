import type { ChatMessage, PromptMark } from '@holdfast/engines';
import type { JsonValue, TextTurn as StoredTextTurn } from '@holdfast/persistence';
import { z } from 'zod';

/** What was said in a turn that came as text. */
export interface TextInput {
  /** True when the messages are the whole conversation, false when they follow what was said before. */
  readonly isWhole: boolean;
  readonly messages: readonly ChatMessage[];
  /** Tools the model may call: a JSON array, or empty. */
  readonly toolsJson: string;
  /** Of the rendered prompt; absent with chunks in it, and once the turn came back from the database. */
  readonly mark?: PromptMark;
}

/** A finished turn that came as text: what was said, and the answer as the model wrote it. */
export interface TextTurn extends TextInput {
  readonly answerText: string;
}

const storedInput = z.object({
  messages: z.array(
    z.object({
      role: z.enum(['system', 'user', 'assistant', 'tool']),
      content: z.string(),
      toolCalls: z.array(z.object({ toolCallId: z.string(), tool: z.string(), argumentsJson: z.string() })).optional(),
      toolCallId: z.string().optional(),
    }),
  ),
  toolsJson: z.string(),
});

/** Pure. What the row of a turn keeps of its messages. */
export const textInputToJson = ({ messages, toolsJson }: TextInput): JsonValue =>
  JSON.parse(JSON.stringify({ messages, toolsJson })) as JsonValue;

/**
 * Pure. Stored text turns, oldest first.
 *
 * @throws ZodError when a row is damaged.
 */
export const textTurnsOf = (stored: readonly StoredTextTurn[]): TextTurn[] =>
  stored.map(({ inputKind, messages, outputText }) => {
    const input = storedInput.parse(messages);
    return {
      isWhole: inputKind === 'conversation',
      messages: input.messages.map(({ role, content, toolCalls, toolCallId }) => ({
        role,
        content,
        ...(toolCalls === undefined ? {} : { toolCalls }),
        ...(toolCallId === undefined ? {} : { toolCallId }),
      })),
      toolsJson: input.toolsJson,
      answerText: outputText,
    };
  });

/** Pure. The conversation after these turns, answers included as the model wrote them. */
export const conversationOf = (turns: readonly TextTurn[]): ChatMessage[] => {
  const start = Math.max(
    0,
    turns.findLastIndex((turn) => turn.isWhole),
  );
  return turns
    .slice(start)
    .flatMap((turn) => [...turn.messages, { role: 'assistant' as const, content: turn.answerText }]);
};
