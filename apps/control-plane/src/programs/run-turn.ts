/**
 * Accepts turns.
 *
 * Idempotency: a request id that names the running turn attaches to it, one of a finished turn replays it from what is
 * stored, one of a failed turn runs it again; another body under a known id is refused.
 *
 * The way of a turn whose program's context is in memory has no wait on it: no database, no timer.
 */
import type { program as wire } from '@holdfast/contracts';
import { DomainError, toDomainError } from '@holdfast/platform';
import { randomUUID } from 'node:crypto';
import type { CallerTrace } from '../telemetry/caller-trace.js';
import { LiveTurn } from '../turns/live-turn.js';
import type { LiveProgram } from './live-program.js';
import { callerCancelled, programEnded, requestIdReused, writesBehind } from './program-errors.js';
import type { ProgramServices } from './program-services.js';
import { checkRequest, requestSchemas } from './request-schemas.js';
import { turnDigest } from './request-digest.js';
import { storedTurn } from './stored-turn.js';
import { layPrompt, planTurn, requireModel } from './turn-planning.js';
import { requireSamplingOf } from './turn-sampling.js';

/** One RunTurn call. */
interface Submission {
  readonly request: wire.RunTurnRequest;
  readonly bodyDigest: string;
  readonly caller: CallerTrace;
}

/** The turn that a RunTurn call reads: a new one, or the one its request id names. */
export const runTurn = async (
  services: ProgramServices,
  request: wire.RunTurnRequest,
  caller: CallerTrace,
): Promise<LiveTurn> => {
  checkRequest(requestSchemas.runTurn, request);
  const submission = { request, bodyDigest: turnDigest(request), caller };
  const program = services.book.find(request.programId);
  if (program === undefined) {
    const earlier = await storedTurn(services, submission);
    if (earlier !== null) return earlier;
    throw await services.absent(request.programId);
  }
  const known = turnInMemory(program, submission);
  if (known !== null) return known;
  if (program.isRestored || program.turnDigests.has(request.requestId)) {
    const earlier = (await storedTurn(services, submission)) ?? turnInMemory(program, submission);
    if (earlier !== null) return earlier;
  }
  requireReady(services, program);
  return submit(services, program, submission);
};

/**
 * A turn of a request that this service has made itself and checked (openai/chat-schema.ts). Its id is new, so nothing is
 * looked up by it, and no body can be meant again: whoever learns the id and uses it is told that it was used before.
 */
export const runOwnTurn = async (
  services: ProgramServices,
  request: wire.RunTurnRequest,
  caller: CallerTrace,
): Promise<LiveTurn> => {
  const program = services.book.find(request.programId);
  if (program === undefined) throw await services.absent(request.programId);
  requireReady(services, program);
  return submit(services, program, { request, bodyDigest: '', caller });
};

/** Modifies state. The last caller of a turn has left, or the program ends. */
export const cancelTurn = (services: ProgramServices, turn: LiveTurn, error?: DomainError): void => {
  if (turn.hasEnded) return;
  if (turn.plan !== null) services.pool.post({ type: 'turnCancelled', turnId: turn.turnId });
  services.settlement.failed(turn, error ?? callerCancelled(`the caller of turn ${turn.turnId} has left`));
};

const turnInMemory = (program: LiveProgram, { request, bodyDigest }: Submission): LiveTurn | null => {
  for (const turn of [program.turn, program.lastTurn]) {
    if (turn?.requestId !== request.requestId) continue;
    if (turn.bodyDigest !== bodyDigest) throw requestIdReused(request.requestId, 'RunTurn');
    return turn;
  }
  const finishedDigest = program.turnDigests.get(request.requestId);
  if (finishedDigest !== undefined && finishedDigest !== bodyDigest) {
    throw requestIdReused(request.requestId, 'RunTurn');
  }
  return null;
};

const requireReady = (services: ProgramServices, program: LiveProgram): void => {
  const { programId } = program;
  if (program.end !== null) throw programEnded(programId, program.end.outcome);
  if (program.turn !== null) {
    throw new DomainError({
      kind: 'precondition',
      reason: 'TURN_RUNNING',
      message: `program ${programId} has a turn that has not ended: ${program.turn.turnId}; one at a time may run`,
      metadata: { programId, turnId: program.turn.turnId },
    });
  }
  services.requireOpen();
  if (services.journal.isSaturated) throw writesBehind(services.journal.depth);
  services.absence.requireEngines();
  // Last: a turn that is refused for another reason does not count.
  services.quotas.takeTurn(program.facts.tenantId);
};

/** Modifies state. From here on a failure is the turn's: its caller hears of it through the stream. */
const submit = (services: ProgramServices, program: LiveProgram, submission: Submission): LiveTurn => {
  const { request, bodyDigest, caller } = submission;
  const turn = new LiveTurn({
    turnId: `trn-${randomUUID()}`,
    programId: program.programId,
    requestId: request.requestId,
    bodyDigest,
    isText: request.input?.$case === 'appendMessages' || request.input?.$case === 'conversation',
    submittedAt: services.pool.now(),
  });
  program.turn = turn;
  turn.trace = program.trace.turnSubmitted(turn, caller);
  services.pool.turns.add(turn);
  if (program.context !== null && !turn.isText) {
    begin(services, program, { turn, request });
  } else {
    void prepare(services, program, turn).then(
      () => begin(services, program, { turn, request }),
      (error: unknown) => services.settlement.failed(turn, toDomainError(error)),
    );
  }
  return turn;
};

/** Brings back what was spilled, and the tokenizer. */
const prepare = async (services: ProgramServices, program: LiveProgram, turn: LiveTurn): Promise<void> => {
  await services.contexts.load(program);
  if (turn.isText) await services.text.load();
};

/** Pure. Leading tokens of a program's first prompt that are its parent's as well; 0 while that one's context is spilled. */
const sharedWithParent = ({ book }: ProgramServices, { facts, counts, prompt }: LiveProgram): number => {
  if (facts.parentId === undefined || counts.turnsFinished > 0 || prompt === null) return 0;
  return book.live(facts.parentId)?.context?.sharedWith(prompt.promptIds) ?? 0;
};

const begin = (
  services: ProgramServices,
  program: LiveProgram,
  { turn, request }: { readonly turn: LiveTurn; readonly request: wire.RunTurnRequest },
): void => {
  // The caller may have left while the context was on its way.
  if (turn.hasEnded) return;
  try {
    const { pool, journal, contexts } = services;
    const model = requireModel(services);
    const laid = layPrompt(services, program, { turn, request, model });
    program.prompt = laid.prompt;
    const plan = planTurn(request, laid.prompt, model);
    requireSamplingOf(pool.engines.standings, plan.sampling);
    turn.plan = plan;
    contexts.used(program);
    journal.turnSubmitted(turn, { ordinal: program.counts.turnsSubmitted, ...laid });
    program.counts.turnsSubmitted += 1;
    const queueLength = pool.view().queuedTurns + 1;
    pool.post({
      type: 'turnSubmitted',
      programId: program.programId,
      turnId: turn.turnId,
      promptTokens: laid.prompt.promptIds.length,
      sharedTokens: Math.max(laid.prompt.sharedTokens, sharedWithParent(services, program)),
      maxOutputTokens: turn.plan.sampling.maxTokens,
      isLast: turn.plan.isLast,
    });
    if (!turn.hasEnded) turn.markQueued(queueLength);
    program.changed();
  } catch (error) {
    services.settlement.failed(turn, toDomainError(error));
  }
};
