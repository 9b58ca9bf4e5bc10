import { after, between, micros, seconds, type Duration, type Instant } from '../model/units.js';
import type { RetentionChoice, RetentionView } from '../policy/retention/retention-policy.js';
import { decide, emit, learn, resolve, timerKeys, type Context } from './context.js';
import type { DecisionOutcome } from './decision.js';
import type { PinTerms } from './command.js';
import { refreshRank } from './queueing.js';
import {
  livePin,
  type EngineRecord,
  type OpenToolCall,
  type PinRecord,
  type ProgramRecord,
  type TurnRecord,
} from './state.js';

/** A waiting turn's pin is renewed for this long, and again before it runs out, until the turn takes it over. */
const WAITING_HOLD = seconds(30);
const WAITING_RENEWAL = seconds(20);

/** Values that differ by less than this share are the same: a renewal only for that would be noise. */
const SAME_VALUE_WITHIN = 0.2;

const COUNTER_OF_OUTCOME = {
  hit: 'pinsHit',
  expired: 'pinsExpired',
  revoked: 'pinsRevoked',
  released: 'pinsReleased',
  lost: 'pinsLost',
} as const;

/** Modifies state. Chooses the pin that rides on a request, and the turn's bid; both go into its hints. */
export const holdAtDispatch = (
  context: Context,
  turn: TurnRecord,
  engine: EngineRecord,
): { readonly terms: PinTerms | null; readonly bid: number } => {
  const choice = choose(context, engine, turn.program, {
    moment: 'dispatch',
    contextTokens: turn.promptTokens,
    elapsed: micros(0),
  });
  const bid = choice.bid ?? 0;
  if (turn.isLast || choice.terms === null) return { terms: null, bid };
  const lowered = lower(engine, choice.terms);
  const decisionId = record(context, turn.program, engine, choice, lowered, turn);
  if (lowered.terms !== null) turn.hold = { decisionId, terms: lowered.terms };
  turn.holdChange = null;
  return { terms: lowered.terms, bid };
};

/** Modifies state. Decides what to keep while a tool runs: sets, renews or releases the program's pin. */
export const holdForToolCall = (
  context: Context,
  program: ProgramRecord,
  call: Pick<RetentionView, 'tool' | 'toolTimeout'>,
): void => {
  const engine = engineOfContext(context, program);
  if (engine === null) return;
  // By the kernel's own clock the pin is over, whatever has not been heard of the engine yet.
  if (program.pin !== null && program.pin.expiresAt <= context.now) forgetPin(context, program, 'expired');
  const { contextTokens } = program;
  const choice = choose(context, engine, program, { moment: 'toolCall', contextTokens, elapsed: micros(0), ...call });
  const lowered: Lowered = choice.terms === null ? { terms: null } : lower(engine, choice.terms);
  const decisionId = record(context, program, engine, choice, lowered);
  if (lowered.terms !== null) {
    holdOn(context, program, engine, lowered.terms, decisionId);
  } else if (program.openToolCalls.size <= 1) {
    // While another tool of the program still runs, its own decision stands.
    releasePin(context, program, 'released');
  }
  if (program.pin === null && choice.terms === null) learn(context, { type: 'contextReleased', program });
};

/**
 * Modifies state. The program is still away; the policy may change its mind about the pin. A pin that is gone stays
 * gone: its KV may be, too. Renewals at unchanged terms are the way a policy keeps a short pin alive.
 */
export const reconsider = (context: Context, program: ProgramRecord): void => {
  const engine = engineOfContext(context, program);
  const pin = livePin(program, context.now);
  const away = absenceOf(program);
  if (engine === null || pin === null || away === null) return;
  const choice = choose(context, engine, program, {
    moment: 'reconsider',
    contextTokens: program.contextTokens,
    tool: away.tool,
    elapsed: between(away.since, context.now),
    ...(away.toolTimeout === undefined ? {} : { toolTimeout: away.toolTimeout }),
  });
  if (choice.terms === null) {
    record(context, program, engine, choice, { terms: null });
    releasePin(context, program, 'released');
    return;
  }
  if (!isWorthRenewing(context, pin, choice.terms)) return;
  pin.terms = choice.terms;
  pin.expiresAt = after(context.now, choice.terms.ttl);
  const { engineId, epoch } = engine.description;
  emit(context, { type: 'renewPin', programId: program.programId, engineId, epoch, terms: choice.terms });
};

/** Pure. What the program is away for, since when; null when it may be back at any moment: its tools have returned. */
const absenceOf = (
  program: ProgramRecord,
): { readonly tool: string; readonly since: Instant; readonly toolTimeout?: Duration } | null => {
  const call = longestOpenCall(program);
  if (call !== null) {
    const { tool, startedAt: since, timeout } = call;
    return timeout === null ? { tool, since } : { tool, since, toolTimeout: timeout };
  }
  if (program.gapHadToolCall || program.lastTurnFinishedAt === null) return null;
  return { tool: '', since: program.lastTurnFinishedAt };
};

/** Pure. A renewal is a message: it must change the pin's value or its end noticeably. */
const isWorthRenewing = (context: Context, pin: PinRecord, terms: PinTerms): boolean => {
  const isSameValue =
    pin.terms.value === terms.value ||
    (pin.terms.value !== null &&
      terms.value !== null &&
      Math.abs(terms.value - pin.terms.value) <= SAME_VALUE_WITHIN * Math.abs(pin.terms.value));
  const left = between(context.now, pin.expiresAt);
  return !isSameValue || pin.terms.soft !== terms.soft || left < terms.ttl / 2 || left > 2 * terms.ttl;
};

const longestOpenCall = (program: ProgramRecord): OpenToolCall | null => {
  let longest: OpenToolCall | null = null;
  for (const call of program.openToolCalls.values()) {
    if (longest === null || call.startedAt < longest.startedAt) longest = call;
  }
  return longest;
};

/** Pure. The engine that holds the program's context, if it is still the same process and the next turn may run there. */
const engineOfContext = (context: Context, program: ProgramRecord): EngineRecord | null => {
  const engine = program.home === null ? undefined : context.state.engines.get(program.home.engineId);
  if (engine === undefined || engine.draining) return null;
  return engine.description.epoch === program.home?.epoch ? engine : null;
};

/** Modifies state. Sets the program's pin, or gives the one it has new terms. */
const holdOn = (
  context: Context,
  program: ProgramRecord,
  engine: EngineRecord,
  terms: PinTerms,
  decisionId: number,
): void => {
  const { engineId, epoch } = engine.description;
  const expiresAt = after(context.now, terms.ttl);
  const pin = program.pin;
  if (pin === null) {
    emit(context, { type: 'setPin', programId: program.programId, engineId, epoch, terms });
    // The engine's `set` event confirms it; until then it is a wish that ranks nothing.
    program.pin = { engineId, epoch, terms, pinnedTokens: 0, expiresAt, decisionId };
    context.state.idlePinned.add(program);
    return;
  }
  if (program.openToolCalls.size > 1 && pin.expiresAt >= expiresAt) return;
  resolve(context, pin.decisionId, 'replaced');
  pin.decisionId = decisionId;
  pin.terms = terms;
  pin.expiresAt = expiresAt;
  emit(context, { type: 'renewPin', programId: program.programId, engineId, epoch, terms });
};

/** Modifies state. The engine's answer says what it holds; the decision that rode on the request gets its pin. */
export const adoptPinOfTurn = (
  context: Context,
  turn: TurnRecord,
  engine: EngineRecord,
  held: { readonly pinnedTokens: number; readonly expiresAt: Instant } | undefined,
): void => {
  if (turn.hold === null) return;
  const { decisionId, terms } = turn.hold;
  if (held === undefined) {
    resolve(context, decisionId, 'lost');
    context.state.counters.pinsLost += 1;
    return;
  }
  context.state.counters.pinsSet += 1;
  const { holdChange } = turn;
  if (holdChange === 'expired' || holdChange === 'revoked') {
    resolve(context, decisionId, holdChange);
    context.state.counters[COUNTER_OF_OUTCOME[holdChange]] += 1;
    return;
  }
  const { engineId, epoch } = engine.description;
  const { pinnedTokens, expiresAt } = held;
  turn.program.pin = { engineId, epoch, terms, pinnedTokens, expiresAt, decisionId };
  // It was asked for before the engine drained: the next turn runs elsewhere.
  if (engine.draining) releasePin(context, turn.program, 'released');
  else context.state.idlePinned.add(turn.program);
};

/** Modifies state. Keeps a pin from expiring while its program's next turn waits. */
export const holdWhileWaiting = (context: Context, turn: TurnRecord): void => {
  const { program } = turn;
  const pin = livePin(program, context.now);
  if (pin === null || !context.options.profile.retention.holdsWhileWaiting) return;
  const soonest = after(context.now, WAITING_RENEWAL);
  if (pin.expiresAt < soonest) {
    const terms = { ...pin.terms, ttl: WAITING_HOLD };
    pin.expiresAt = after(context.now, WAITING_HOLD);
    emit(context, { type: 'renewPin', programId: program.programId, engineId: pin.engineId, epoch: pin.epoch, terms });
  }
  turn.hasHoldTimer = true;
  emit(context, { type: 'scheduleTimer', key: timerKeys.hold(program.programId), at: soonest });
};

/** Modifies state. Forgets the program's pin because of `outcome`, and counts it. */
export const forgetPin = (context: Context, program: ProgramRecord, outcome: DecisionOutcome): void => {
  const pin = program.pin;
  if (pin === null) return;
  program.pin = null;
  context.state.idlePinned.delete(program);
  resolve(context, pin.decisionId, outcome);
  if (outcome !== 'replaced') context.state.counters[COUNTER_OF_OUTCOME[outcome]] += 1;
  if (program.turn !== null) refreshRank(context, program.turn);
  else learn(context, { type: 'contextReleased', program });
};

/** Modifies state. Gives the program's pin up, here and on the engine. */
export const releasePin = (context: Context, program: ProgramRecord, outcome: DecisionOutcome): void => {
  const pin = program.pin;
  if (pin === null) return;
  emit(context, { type: 'releasePin', programId: program.programId, engineId: pin.engineId, epoch: pin.epoch });
  forgetPin(context, program, outcome);
};

const choose = (
  context: Context,
  engine: EngineRecord,
  program: ProgramRecord,
  situation: Pick<RetentionView, 'moment' | 'contextTokens' | 'elapsed' | 'tool' | 'toolTimeout'>,
): RetentionChoice => {
  const { moment, contextTokens, elapsed, tool, toolTimeout } = situation;
  const isPinned = livePin(program, context.now) !== null;
  const waitingTurns = context.state.queuedTurns + context.state.deferred.size;
  const { now } = context;
  // Built field by field: this runs for every turn and every tool call.
  const view: RetentionView =
    tool === undefined
      ? { moment, program, engine, contextTokens, elapsed, isPinned, waitingTurns, now }
      : toolTimeout === undefined
        ? { moment, program, engine, contextTokens, elapsed, isPinned, waitingTurns, now, tool }
        : { moment, program, engine, contextTokens, elapsed, isPinned, waitingTurns, now, tool, toolTimeout };
  return context.options.profile.retention.choose(context.policyStates.retention, view);
};

interface Lowered {
  readonly terms: PinTerms | null;
  readonly lowering?: string;
}

/** Pure. The nearest thing this engine can do. */
const lower = (engine: EngineRecord, terms: PinTerms): Lowered => {
  const { pins, softPins } = engine.description.capabilities;
  if (!pins) return { terms: null, lowering: 'the engine holds no pins: its prefix cache decides alone' };
  if (terms.soft && !softPins) return { terms: null, lowering: 'the engine holds no soft pins: nothing is held' };
  return { terms };
};

const record = (
  context: Context,
  program: ProgramRecord,
  engine: EngineRecord,
  choice: RetentionChoice,
  lowered: Lowered,
  turn?: TurnRecord,
): number =>
  decide(context, () => ({
    kind: 'retention',
    policy: context.options.profile.retention.type,
    programId: program.programId,
    turnId: turn?.turnId,
    engineId: engine.description.engineId,
    choice: lowered.terms === null ? 'no-pin' : 'pin',
    reason: choice.reason,
    inputs: choice.inputs,
    lowering: lowered.lowering,
  }));
