import { durationFromProto, durationToProto, program as wire } from '@holdfast/contracts';
import { DomainError } from '@holdfast/platform';
import type { StoredToolCallOutcome } from '@holdfast/persistence';
import {
  between,
  micros,
  toolOfClass,
  type Duration,
  type ProgramId,
  type ToolCallId,
  type ToolCallStarted,
} from '@holdfast/scheduling';
import { pinState } from '../turns/turn-messages.js';
import { commandClass } from './command-class.js';
import type { LiveProgram, OpenToolCall } from './live-program.js';
import { programEnded } from './program-errors.js';
import type { ProgramServices } from './program-services.js';
import { requestDigest } from './request-digest.js';
import { checkRequest, requestSchemas } from './request-schemas.js';

const outcomes: Readonly<Record<number, StoredToolCallOutcome>> = {
  [wire.ToolCallOutcome.SUCCEEDED]: 'succeeded',
  [wire.ToolCallOutcome.FAILED]: 'failed',
  [wire.ToolCallOutcome.CANCELLED]: 'cancelled',
};

/** Opens a tool call: from now on the kernel counts its duration and decides what to keep meanwhile. */
export const beginToolCall = async (
  services: ProgramServices,
  request: wire.BeginToolCallRequest,
): Promise<wire.BeginToolCallResponse> => {
  checkRequest(requestSchemas.beginToolCall, request);
  const call = {
    rpc: 'beginToolCall',
    requestId: request.requestId,
    bodyDigest: requestDigest(wire.BeginToolCallRequest, request),
  };
  const answer = await services.accept(request.programId, call, (program) => {
    begin(services, program, request);
    const pin = services.pool.program(program.programId)?.pin ?? null;
    const isHeld = pin !== null && pin.pinnedTokens > 0 && pin.expiresAt > services.pool.now();
    const response = { pin: isHeld ? pinState(pin) : undefined };
    return wire.BeginToolCallResponse.encode(response).finish();
  });
  return wire.BeginToolCallResponse.decode(answer);
};

const begin = (services: ProgramServices, program: LiveProgram, request: wire.BeginToolCallRequest): void => {
  const { toolCallId, tool } = request;
  if (program.end !== null) throw programEnded(program.programId, program.end.outcome);
  if (program.openToolCalls.has(toolCallId) || program.endedToolCalls.has(toolCallId)) {
    throw toolCallError('exists', 'TOOL_CALL_EXISTS', `tool call ${toolCallId} was begun already`, toolCallId);
  }
  const command = request.command === '' ? null : commandClass(request.command);
  const call: OpenToolCall = {
    tool,
    commandClass: command?.name ?? null,
    timeout: shortest(
      request.timeout === undefined ? null : micros(durationFromProto(request.timeout)),
      command?.timeout,
    ),
    beganAt: services.pool.now(),
  };
  program.openToolCalls.set(toolCallId, call);
  program.lastActiveAt = call.beganAt;
  program.trace.toolCallBegan(toolCallId, call);
  services.metrics.toolCallBegan(program.facts, call);
  services.pool.post(toolCallStartedEvent(program.programId, toolCallId, call));
  services.journal.toolCallBegan(program.programId, toolCallId, call);
  services.chunks.foresight.toolCallBegan(program.programId);
  program.changed();
};

const shortest = (a: Duration | null, b: Duration | null = null): Duration | null =>
  a === null || b === null ? (a ?? b) : micros(Math.min(a, b));

/** Pure. What the kernel is told: a tool is known by its name and its command class. */
export const toolCallStartedEvent = (
  programId: ProgramId,
  toolCallId: ToolCallId,
  { tool, commandClass: name, timeout }: OpenToolCall,
): ToolCallStarted => ({
  type: 'toolCallStarted',
  programId,
  toolCallId,
  tool: toolOfClass(tool, name),
  ...(timeout === null ? {} : { timeout }),
});

/** Closes a tool call. */
export const endToolCall = async (
  services: ProgramServices,
  request: wire.EndToolCallRequest,
): Promise<wire.EndToolCallResponse> => {
  checkRequest(requestSchemas.endToolCall, request);
  const call = {
    rpc: 'endToolCall',
    requestId: request.requestId,
    bodyDigest: requestDigest(wire.EndToolCallRequest, request),
  };
  const answer = await services.accept(request.programId, call, (program) => {
    const duration = durationToProto(end(services, program, request));
    return wire.EndToolCallResponse.encode({ duration }).finish();
  });
  return wire.EndToolCallResponse.decode(answer);
};

const end = (services: ProgramServices, program: LiveProgram, request: wire.EndToolCallRequest): number => {
  const { toolCallId } = request;
  const call = program.openToolCalls.get(toolCallId);
  if (call === undefined) throw notOpen(program, toolCallId);
  const outcome = outcomes[request.outcome] ?? 'succeeded';
  const endedAt = services.pool.now();
  program.openToolCalls.delete(toolCallId);
  program.endedToolCalls.set(toolCallId, outcome);
  program.counts.toolCallsEnded += 1;
  program.lastActiveAt = endedAt;
  program.trace.toolCallEnded(toolCallId, outcome);
  services.metrics.toolCallEnded(program.facts, call, { outcome, at: endedAt });
  services.pool.post({ type: 'toolCallFinished', programId: program.programId, toolCallId });
  services.journal.toolCallEnded(program.programId, toolCallId, { endedAt, outcome });
  services.journal.program(program, services.pool.program(program.programId));
  program.changed();
  return between(call.beganAt, endedAt);
};

const notOpen = (program: LiveProgram, toolCallId: ToolCallId): DomainError => {
  if (program.end !== null) return programEnded(program.programId, program.end.outcome);
  return program.endedToolCalls.has(toolCallId)
    ? toolCallError('precondition', 'TOOL_CALL_ENDED', `tool call ${toolCallId} has ended already`, toolCallId)
    : toolCallError('notFound', 'TOOL_CALL_NOT_FOUND', `tool call ${toolCallId} was never begun`, toolCallId);
};

const toolCallError = (
  kind: 'exists' | 'precondition' | 'notFound',
  reason: 'TOOL_CALL_EXISTS' | 'TOOL_CALL_ENDED' | 'TOOL_CALL_NOT_FOUND',
  message: string,
  toolCallId: ToolCallId,
): DomainError => new DomainError({ kind, reason, message, metadata: { toolCallId } });
