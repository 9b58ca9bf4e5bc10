/** Conversations as digests: the digest after each message stands for all messages up to it. */
import type { program as wire } from '@holdfast/contracts';
import { hash } from 'node:crypto';

/** Pure. What the digests of a scope start from: conversations of two scopes never have one in common. */
export const chainStart = (scope: readonly string[]): string => digest('', JSON.stringify(scope));

/** Pure. The digest after each message. */
export const chainOf = (start: string, messages: readonly wire.Message[]): string[] => {
  const chain: string[] = [];
  let last = start;
  for (const message of messages) {
    last = digest(last, canonical(message));
    chain.push(last);
  }
  return chain;
};

const digest = (before: string, text: string): string => hash('sha256', `${before}\0${text}`, 'base64url');

/** Clients send an answer back with other white space at its ends, and with its arguments parsed and written anew. */
const canonical = ({ role, content, toolCalls, toolCallId }: wire.Message): string =>
  JSON.stringify([
    role,
    content.trim(),
    toolCalls.map((call) => [call.toolCallId, call.tool, canonicalJson(call.argumentsJson)]),
    toolCallId,
  ]);

const canonicalJson = (text: string): string => {
  try {
    return JSON.stringify(sorted(JSON.parse(text) as unknown));
  } catch {
    // Arguments that are no JSON count as they were written.
    return text;
  }
};

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, item]) => [key, sorted(item)]);
};
