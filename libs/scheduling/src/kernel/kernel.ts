/**
 * The scheduler of one pool: `handle(event, now) -> commands`.
 *
 * Boundary: synchronous, no IO, no clock, no randomness. The shell reads `now` once per event, posts events from one
 * mailbox and carries the commands out in order. The same kernel serves live traffic and the simulator.
 *
 * Invariants (docs/invariants.md): conservation of programs and turns (I1), legal transitions only (I2), `now` never
 * decreases (I3), submitted <= started <= finished (I5), same log same decisions (I6), work conservation (I8), every
 * pin has an owner, an expiry and a reason (I10), a stale epoch or lease changes nothing (I11).
 */
import type { ProgramId } from '../model/ids.js';
import type { Instant } from '../model/units.js';
import type { Command } from './command.js';
import type { Context, KernelOptions } from './context.js';
import { dispatchWaiting } from './dispatching.js';
import { changePin, drainEngine, joinEngine, loseEngine, observeEngine } from './engines.js';
import type { KernelEvent, TimerFired } from './event.js';
import type { StatisticsDocument } from '../statistics/saved.js';
import { activatePolicy } from './policies.js';
import { initialStates, loadStatistics, statisticsOf } from './statistics.js';
import { checkIdle, endProgram, prioritizeProgram, startProgram } from './programs.js';
import { emptyState } from './state.js';
import { finishToolCall, startToolCall } from './tool-calls.js';
import { tick } from './ticks.js';
import { cancelTurn, failTurn, finishTurn, renewHold, startTurn, submitTurn } from './turns.js';
import { kernelView, programView, type KernelView, type ProgramView } from './view.js';

export interface Kernel {
  /**
   * Modifies state. Takes one event at `now` and returns what is to be done, in order. An event that fits no legal
   * transition (a finished turn that is unknown, news of an older epoch) changes nothing and returns nothing.
   * A `now` before the last one counts as the last one (I3).
   */
  handle(event: KernelEvent, now: Instant): readonly Command[];
  /** Pure. Counts and engines, for metrics and tests. */
  view(): KernelView;
  /** Pure. One live program; null when it is unknown or has ended. */
  program(programId: ProgramId): ProgramView | null;
  /** Pure. What the policies have learned so far, those included that were active before, for `statisticsLoaded` of a later kernel. */
  statistics(): StatisticsDocument;
}

/** Pure. Makes a kernel with nothing in it. */
export const createKernel = (options: KernelOptions): Kernel => {
  const state = emptyState();
  const policyStates = initialStates(options.profile);
  const context: Context = { options, state, policyStates, shelf: new Map(), now: state.now, commands: [] };
  return {
    handle: (event, now) => handle(context, event, now),
    view: () => kernelView(state),
    program: (programId) => programView(state, programId),
    statistics: () => statisticsOf(context),
  };
};

const handle = (context: Context, event: KernelEvent, now: Instant): readonly Command[] => {
  const { state } = context;
  if (!state.isOwner) return [];
  if (now > state.now) state.now = now;
  context.now = state.now;
  context.commands = [];
  apply(context, event);
  return context.commands;
};

// One case an event: a table would lose the types.
// eslint-disable-next-line complexity
const apply = (context: Context, event: KernelEvent): void => {
  switch (event.type) {
    case 'programStarted':
      return startProgram(context, event);
    case 'programEnded':
      return endProgram(context, event);
    case 'programPrioritized':
      return prioritizeProgram(context, event);
    case 'turnSubmitted':
      return submitTurn(context, event);
    case 'turnStarted':
      return startTurn(context, event);
    case 'turnFinished':
      return finishTurn(context, event);
    case 'turnFailed':
      return failTurn(context, event);
    case 'turnCancelled':
      return cancelTurn(context, event);
    case 'toolCallStarted':
      return startToolCall(context, event);
    case 'toolCallFinished':
      return finishToolCall(context, event);
    case 'engineJoined':
      return joinEngine(context, event);
    case 'engineObserved':
      return observeEngine(context, event);
    case 'engineDraining':
      return drainEngine(context, event);
    case 'engineLost':
      return loseEngine(context, event);
    case 'pinChanged':
      return changePin(context, event);
    case 'timerFired':
      return fireTimer(context, event);
    case 'statisticsLoaded':
      return loadStatistics(context, event);
    case 'policyActivated':
      return activatePolicy(context, event);
    case 'leaseLost':
      if (event.fencingToken === context.options.fencingToken) context.state.isOwner = false;
      return;
    default:
      return assertNever(event);
  }
};

const fireTimer = (context: Context, event: TimerFired): void => {
  const [kind, ...rest] = event.key.split(':');
  if (kind === 'move') return dispatchWaiting(context);
  if (kind === 'tick') return tick(context);
  const program = context.state.programs.get(rest.join(':'));
  if (program === undefined) return;
  if (kind === 'idle') checkIdle(context, program);
  if (kind === 'hold') renewHold(context, program);
};

const assertNever = (event: never): never => {
  throw new Error(`unhandled kernel event ${JSON.stringify(event)}`);
};
