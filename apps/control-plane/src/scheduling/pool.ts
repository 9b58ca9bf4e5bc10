/**
 * One pool: the kernel, its loop, what carries its commands out, and its engines, wired together.
 *
 * The edge posts events and reads views; it hears of turns and programs through `hooks`.
 */
import type { Clock, DomainError } from '@holdfast/platform';
import {
  createKernel,
  type Decision,
  type EngineId,
  type Instant,
  type KernelEvent,
  type KernelOptions,
  type KernelView,
  type ProgramId,
  type ProgramView,
  type StatisticsDocument,
} from '@holdfast/scheduling';
import type { Logger } from 'pino';
import { EngineRegistry, type EngineTarget } from '../engines/engine-registry.js';
import type { Journal } from '../persistence/journal.js';
import type { LiveTurn, TurnDispatch } from '../turns/live-turn.js';
import { TurnRunner, type EngineAnswer, type TurnRunnerOptions } from '../turns/turn-runner.js';
import { TurnTable } from '../turns/turn-table.js';
import { commandExecutor } from './command-executor.js';
import { KernelTimers } from './kernel-timers.js';
import { PinExecutor } from './pin-executor.js';
import { withinPinQuota } from './pin-quota.js';
import { PinTracker, type PinTrackerOptions } from './pin-tracker.js';
import { SchedulerLoop, type LoopStep } from './scheduler-loop.js';
import type { EngineCallTrace } from '../telemetry/program-trace.js';

/** Events that the steps of one posting may beget; more is a bug. */
const MAILBOX_LIMIT = 65_536;

/** What the pool tells the edge. None of these may wait. */
export interface PoolHooks {
  readonly knowsProgram: (programId: ProgramId) => boolean;
  /** False: the program's tenant has pinned as much as it may. */
  readonly mayPin: (programId: ProgramId) => boolean;
  readonly traceEngineCall: (turn: LiveTurn, dispatch: TurnDispatch) => EngineCallTrace;
  readonly chunkWork: TurnRunnerOptions['chunkWork'];
  readonly onTurnFinished: (turn: LiveTurn, answer: EngineAnswer, engineId: EngineId) => void;
  readonly onTurnFailed: (turn: LiveTurn, error: DomainError) => void;
  readonly onTurnRequeued: (turn: LiveTurn) => void;
  readonly onProgramTimedOut: (programId: ProgramId) => void;
  readonly onProgramChanged: (programId: ProgramId) => void;
  readonly onDecision: (decision: Decision) => void;
  readonly pins: Pick<PinTrackerOptions, 'onSet' | 'onRenewed' | 'onEnded'>;
  /** The loop has handled an event, in so many seconds of real time. */
  readonly onStep: (elapsedSeconds: number) => void;
  /** An engine was attached or lost. */
  readonly onEnginesChanged: () => void;
  /** A broken invariant: the pool has stopped. */
  readonly onFailure: (error: unknown) => void;
}

/** What a pool is made of. */
export interface PoolOptions {
  readonly kernel: KernelOptions;
  readonly clock: Clock;
  readonly engines: readonly EngineTarget[];
  readonly journal: Journal;
  readonly hooks: PoolHooks;
  readonly logger: Logger;
}

/** See the file header. */
export class Pool {
  readonly turns = new TurnTable();
  readonly engines: EngineRegistry;
  readonly runner: TurnRunner;
  readonly #options: PoolOptions;
  readonly #kernel: ReturnType<typeof createKernel>;
  readonly #loop: SchedulerLoop;
  readonly #timers: KernelTimers;
  readonly #pins: PinExecutor;
  readonly #pinTracker: PinTracker;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { hooks, logger, clock } = options;
    const post = (event: KernelEvent): void => this.post(event);
    const client = this.#client.bind(this);
    this.#kernel = createKernel(options.kernel);
    this.engines = new EngineRegistry({
      targets: options.engines,
      now: clock.now,
      post,
      knowsProgram: hooks.knowsProgram,
      onChange: hooks.onEnginesChanged,
      logger,
    });
    this.runner = new TurnRunner({
      turns: this.turns,
      now: clock.now,
      post,
      client,
      suspect: (engineId, epoch, error) => this.engines.suspect(engineId, epoch, error),
      trace: hooks.traceEngineCall,
      chunkWork: hooks.chunkWork,
      onRankRefused: ({ turnId, engineId }, { reason }) => logger.debug({ turnId, engineId, reason }, 'rank refused'),
      onFinished: hooks.onTurnFinished,
      onFailed: hooks.onTurnFailed,
    });
    this.#timers = new KernelTimers(clock, (key) => post({ type: 'timerFired', key }));
    this.#pins = new PinExecutor({
      now: clock.now,
      post,
      client,
      onRefused: ({ type, programId, engineId }, reason) =>
        logger.debug({ command: type, programId, engineId, reason }, 'pin command refused'),
    });
    this.#pinTracker = new PinTracker({
      program: (programId) => this.program(programId),
      epochOf: (engineId) => this.#epochOf(engineId),
      programOfTurn: (turnId) => this.turns.get(turnId)?.programId,
      ...hooks.pins,
    });
    this.#loop = this.#makeLoop();
  }

  /** Modifies state. One event to the kernel; its commands have been set going when this returns. */
  post(event: KernelEvent): void {
    this.#loop.post(event);
  }

  /** False after `stop` or a failure. */
  get isAlive(): boolean {
    return this.#loop.isAlive;
  }

  /** Pure. The pool in numbers. */
  view(): KernelView {
    return this.#kernel.view();
  }

  /** Pure. What the policies have learned. */
  statistics(): StatisticsDocument {
    return this.#kernel.statistics();
  }

  /** Pure. Where a live program stands. */
  program(programId: ProgramId): ProgramView | null {
    return this.#kernel.program(programId);
  }

  /** Pins that are held. */
  get pinsHeld(): number {
    return this.#pinTracker.size;
  }

  /** The pool's time. */
  now(): Instant {
    return this.#options.clock.now();
  }

  /** Resolves when no pin command waits or runs. The caller brings the deadline. */
  pinsIdle(): Promise<void> {
    return this.#pins.untilIdle();
  }

  /** Modifies state. Takes no more events and lets the engines go. */
  async stop(): Promise<void> {
    this.#loop.stop();
    this.#timers.close();
    await this.engines.stop();
  }

  #makeLoop(): SchedulerLoop {
    const { hooks, journal, logger, clock } = this.#options;
    const execute = commandExecutor({
      turns: this.turns,
      runner: this.runner,
      pins: this.#pins,
      timers: this.#timers,
      onRejected: hooks.onTurnFailed,
      onRequeued: hooks.onTurnRequeued,
      onProgramTimedOut: ({ programId }) => {
        hooks.onProgramTimedOut(programId);
        this.post({ type: 'programEnded', programId, outcome: 'timedOut' });
      },
      onDecision: (decision) => {
        journal.decision(decision);
        hooks.onDecision(decision);
      },
      onDecisionResolved: (decisionId, outcome, at) => journal.decisionResolved(decisionId, outcome, at),
    });
    return new SchedulerLoop({
      kernel: this.#kernel,
      now: clock.now,
      record: (step) => this.#recorded(step),
      execute: (command) => {
        const allowed = withinPinQuota(command, { mayPin: hooks.mayPin, refused: (change) => this.post(change) });
        if (allowed !== null) execute(allowed);
        if (command.type === 'dispatchTurn') hooks.onProgramChanged(command.programId);
      },
      onStep: hooks.onStep,
      mailboxLimit: MAILBOX_LIMIT,
      onFailure: (error) => {
        logger.fatal({ err: error }, 'the scheduler loop has stopped');
        hooks.onFailure(error);
      },
    });
  }

  #recorded(step: LoopStep): void {
    this.#options.journal.step(step);
    this.#pinTracker.observe(step.event, step.now);
  }

  #client(...place: Parameters<EngineRegistry['client']>): ReturnType<EngineRegistry['client']> {
    return this.engines.client(...place);
  }

  #epochOf(engineId: EngineId): string {
    const engine = this.#kernel.view().engines.find(({ description }) => description.engineId === engineId);
    return engine?.description.epoch ?? '';
  }
}
