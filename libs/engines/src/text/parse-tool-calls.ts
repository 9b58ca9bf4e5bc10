/**
 * Tool calls in the text of an answer, in the three forms that open models write: Hermes `<tool_call>{...}</tool_call>`,
 * OpenAI-style JSON as the whole answer, and fenced shell blocks. What cannot be parsed stays text.
 */
import type { ToolCallText } from './chat-message.js';

/** What an answer says, and what it wants done. */
export interface ParsedAnswer {
  /** The answer without the tool calls that were read out of it. */
  readonly text: string;
  readonly toolCalls: readonly ToolCallText[];
}

/** Pure. */
export const parseToolCalls = (answer: string): ParsedAnswer => {
  for (const parse of [parseHermes, parseWholeJson, parseFencedShell]) {
    const parsed = parse(answer);
    if (parsed.toolCalls.length > 0) return parsed;
  }
  return { text: answer, toolCalls: [] };
};

/** The closing tag may be missing at the very end: a stop token takes its place. */
const HERMES = /<tool_call>([\s\S]*?)(?:<\/tool_call>|$)/g;
const SHELL = /```(?:bash|sh|shell)[^\S\n]*\n([\s\S]*?)```/g;
const JSON_FENCE = /^```(?:json)?\s*\n([\s\S]*?)\n?```$/;

const parseHermes = (answer: string): ParsedAnswer => extract(answer, HERMES, (body) => toolCallOf(parseJson(body)));

const parseFencedShell = (answer: string): ParsedAnswer =>
  extract(answer, SHELL, (body) => {
    const command = body.trim();
    return command === '' ? undefined : { toolCallId: '', tool: 'bash', argumentsJson: JSON.stringify({ command }) };
  });

const extract = (answer: string, pattern: RegExp, read: (body: string) => ToolCallText | undefined): ParsedAnswer => {
  const toolCalls: ToolCallText[] = [];
  const text = answer.replace(pattern, (whole: string, body: string) => {
    const call = read(body);
    if (call === undefined) return whole;
    toolCalls.push(call);
    return '';
  });
  return { text: toolCalls.length === 0 ? answer : text.trim(), toolCalls };
};

/** The whole answer is one call, a list of calls, or a message with `tool_calls`; all of it or nothing. */
const parseWholeJson = (answer: string): ParsedAnswer => {
  const trimmed = answer.trim();
  const body = JSON_FENCE.exec(trimmed)?.[1] ?? trimmed;
  // Most answers are words: an exception for each of them would cost more than all the rest.
  const value = /^\s*[{[]/.test(body) ? parseJson(body) : undefined;
  const listed = isRecord(value) && Array.isArray(value['tool_calls']) ? (value['tool_calls'] as unknown[]) : undefined;
  const candidates = listed ?? (Array.isArray(value) ? (value as unknown[]) : [value]);
  const calls = candidates.map(toolCallOf);
  if (!calls.every((call) => call !== undefined)) return { text: answer, toolCalls: [] };
  const content = listed !== undefined && isRecord(value) ? value['content'] : undefined;
  return { text: typeof content === 'string' ? content : '', toolCalls: calls };
};

/** `{name, arguments}`, `{name, parameters}`, or the same under `function`. Arguments are an object, or one as text. */
const toolCallOf = (value: unknown): ToolCallText | undefined => {
  if (!isRecord(value)) return undefined;
  const body = isRecord(value['function']) ? value['function'] : value;
  const name = body['name'];
  const given = body['arguments'] ?? body['parameters'];
  const args = typeof given === 'string' ? parseJson(given) : given;
  if (typeof name !== 'string' || name === '' || !isRecord(args)) return undefined;
  const id = value['id'];
  return { toolCallId: typeof id === 'string' ? id : '', tool: name, argumentsJson: JSON.stringify(args) };
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // No JSON is an answer in words.
    return undefined;
  }
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
