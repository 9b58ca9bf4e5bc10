/**
 * Tool time of clients that do not tell it: a tool call begins when the answer that asks for it ends, and ends when the
 * conversation's next request arrives. Its id says that it was inferred.
 */
import { isDomainError } from '@holdfast/platform';
import type { Logger } from 'pino';
import { randomUUID } from 'node:crypto';
import type { ProgramServices } from '../programs/program-services.js';
import { beginToolCall, endToolCall } from '../programs/tool-calls.js';
import type { LiveTurn, TurnResult } from '../turns/live-turn.js';
import type { Lane } from './conversation-index.js';

/** Ids of tool calls that no client declared begin so. */
export const INFERRED_PREFIX = 'inferred.';

const MAX_TOOL_CHARACTERS = 100;
const MAX_COMMAND_CHARACTERS = 4_096;

/** What both work with. */
export interface InferenceContext {
  readonly services: ProgramServices;
  readonly logger: Logger;
}

/** Modifies state. The answer has ended. */
export const beginInferred = (
  { services, logger }: InferenceContext,
  lane: Lane,
  answer: { readonly turn: LiveTurn; readonly result: TurnResult },
): void => {
  for (const [index, { tool, argumentsJson }] of answer.result.toolCalls.entries()) {
    const toolCallId = `${INFERRED_PREFIX}${answer.turn.turnId}.${index}`;
    lane.openCalls.add(toolCallId);
    beginToolCall(services, {
      requestId: randomUUID(),
      programId: lane.programId,
      toolCallId,
      tool: tool.slice(0, MAX_TOOL_CHARACTERS),
      command: commandOf(argumentsJson),
      timeout: undefined,
    }).catch((error: unknown) => {
      lane.openCalls.delete(toolCallId);
      report(logger, error);
    });
  }
};

/** Modifies state. The next request is there. */
export const endInferred = async ({ services, logger }: InferenceContext, lane: Lane): Promise<void> => {
  const open = [...lane.openCalls];
  lane.openCalls.clear();
  const ended = open.map((toolCallId) =>
    endToolCall(services, { requestId: randomUUID(), programId: lane.programId, toolCallId, outcome: 0 }).catch(
      (error: unknown) => report(logger, error),
    ),
  );
  await Promise.all(ended);
};

/** A program that ended meanwhile takes no tool calls: a prediction less, nothing that the client has to know. */
const report = (logger: Logger, error: unknown): void => {
  if (isDomainError(error)) logger.debug({ err: error }, 'an inferred tool call was not taken');
  else logger.error({ err: error }, 'an inferred tool call failed');
};

/** Pure. The command line among a call's arguments, as the usual shell tools name it; empty when there is none. */
export const commandOf = (argumentsJson: string): string => {
  const given = parsed(argumentsJson);
  const command = given['command'] ?? given['cmd'];
  const line = Array.isArray(command) ? command.filter((word) => typeof word === 'string').join(' ') : command;
  return typeof line === 'string' ? line.slice(0, MAX_COMMAND_CHARACTERS) : '';
};

const parsed = (json: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // Arguments that are no JSON hold no command.
    return {};
  }
};
