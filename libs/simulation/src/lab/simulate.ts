/**
 * A whole system in virtual time: programs that arrive and run closed loops, the kernel of live traffic, and engines.
 *
 * One loop takes events in order of (time, priority, insertion). What an event brings goes to the kernel, what the kernel
 * commands goes to the engines, and what that brings back is handled at the same instant, first come first served.
 */
import {
  createKernel,
  seconds,
  type Command,
  type EngineDescription,
  type Instant,
  type Kernel,
  type KernelCounters,
  type KernelEvent,
  type PolicyProfile,
} from '@holdfast/scheduling';
import { EventPriority, EventQueue } from '../event-queue.js';
import type { EngineTotals, SimulatedEngine } from '../extent-engine/simulated-engine.js';
import { EngineRunner } from './engine-runner.js';
import type { SimulationObserver } from './observer.js';
import { ProgramRunner } from './program-runner.js';
import type { Arrival } from './workload.js';

/** One engine of the pool. */
export interface PoolEngine {
  readonly description: EngineDescription;
  readonly engine: SimulatedEngine;
}

export interface SimulationOptions {
  readonly profile: PolicyProfile;
  readonly engines: readonly PoolEngine[];
  /** In order of time. */
  readonly arrivals: readonly Arrival[];
  /** Programs that live at a time: whoever comes after so many waits, outside, until one ends. Default: no limit. */
  readonly programsAtOnce?: number;
  readonly dispatchWindow: number;
  /** What an operator does: engines drain, or take work again. Absent: nothing. */
  readonly drains?: readonly { readonly at: Instant; readonly engineId: string; readonly isDraining: boolean }[];
  /** Nothing happens after this time; programs that live then are unfinished. */
  readonly endAt?: Instant;
  readonly observer?: SimulationObserver;
}

export interface SimulationResult {
  readonly endedAt: Instant;
  readonly finishedPrograms: number;
  readonly unfinishedPrograms: number;
  readonly finishedTurns: number;
  readonly counters: Readonly<KernelCounters>;
  readonly totals: EngineTotals;
  readonly handledEvents: number;
}

/** What may be due at a time. */
export type Due =
  | { readonly what: 'arrival'; readonly arrival: Arrival }
  | { readonly what: 'drain'; readonly engineId: string; readonly isDraining: boolean }
  | { readonly what: 'toolBegan' | 'toolEnded' | 'toolReturned'; readonly programIndex: number }
  | { readonly what: 'timer'; readonly key: string; readonly version: number }
  | { readonly what: 'observation'; readonly engine: EngineRunner }
  | { readonly what: 'boundary' | 'resume' | 'expiry'; readonly engine: EngineRunner; readonly version: number };

/** Nobody is silent for longer than this in a simulation. */
const NO_IDLE_LIMIT = seconds(1e9);

/** Pure but for the engines, whose state it modifies. Runs the programs to their end. */
export const simulate = (options: SimulationOptions): SimulationResult => new Simulation(options).run();

export class Simulation {
  now: Instant = 0 as Instant;
  readonly queue = new EventQueue<Due>();
  readonly observer: SimulationObserver | undefined;
  readonly #kernel: Kernel;
  readonly #engines = new Map<string, EngineRunner>();
  readonly #programs: ProgramRunner;
  readonly #timers = new Map<string, number>();
  readonly #mailbox: KernelEvent[] = [];
  #isHandling = false;
  #timerVersion = 0;
  #handledEvents = 0;
  /** Arrivals that wait for a program to end, the first one last. */
  #outside: Arrival[] = [];

  constructor(private readonly options: SimulationOptions) {
    this.observer = options.observer;
    this.#kernel = createKernel({
      profile: options.profile,
      fencingToken: 1,
      dispatchWindow: options.dispatchWindow,
      maxQueuedTurns: Infinity,
      recordsDecisions: options.observer?.decision !== undefined,
    });
    this.#programs = new ProgramRunner(this);
    for (const { description, engine } of options.engines) {
      this.#engines.set(description.engineId, new EngineRunner(this, description, engine));
    }
  }

  run(): SimulationResult {
    for (const { description } of this.options.engines) this.post({ type: 'engineJoined', engine: description });
    const { arrivals, programsAtOnce = arrivals.length } = this.options;
    for (const arrival of arrivals.slice(0, programsAtOnce)) this.#expect(arrival);
    this.#outside = arrivals.slice(programsAtOnce).reverse();
    for (const { at, engineId, isDraining } of this.options.drains ?? []) {
      this.queue.push(at, EventPriority.programArrived, { what: 'drain', engineId, isDraining });
    }
    const endAt = this.options.endAt ?? Infinity;
    for (let next = this.queue.pop(); next !== undefined && next.at <= endAt; next = this.queue.pop()) {
      this.now = next.at;
      this.#handle(next.payload);
      if (this.#programs.live === 0 && this.#programs.arrived === this.options.arrivals.length) break;
    }
    return this.#result();
  }

  /** Modifies state. Gives an event to the kernel; events that this brings about are handled after it. */
  post(event: KernelEvent): void {
    this.#mailbox.push(event);
    if (this.#isHandling) return;
    this.#isHandling = true;
    for (let index = 0; index < this.#mailbox.length; index += 1) {
      const current = this.#mailbox[index]!;
      this.#handledEvents += 1;
      this.observer?.kernelEvent?.(current, this.now);
      for (const command of this.#kernel.handle(current, this.now)) this.#obey(command);
    }
    this.#mailbox.length = 0;
    this.#isHandling = false;
  }

  /** Modifies state. A program has ended: the first that waits outside comes, if it is time. */
  admitNext(): void {
    const next = this.#outside.pop();
    if (next !== undefined) this.#expect(next);
  }

  #expect(arrival: Arrival): void {
    const at = arrival.at > this.now ? arrival.at : this.now;
    this.queue.push(at, EventPriority.programArrived, { what: 'arrival', arrival });
  }

  #handle(due: Due): void {
    switch (due.what) {
      case 'arrival':
        return this.#programs.arrive(due.arrival, NO_IDLE_LIMIT);
      case 'drain':
        return this.post({ type: 'engineDraining', engineId: due.engineId, isDraining: due.isDraining });
      case 'toolBegan':
        return this.#programs.toolBegan(due.programIndex);
      case 'toolEnded':
        return this.#programs.toolEnded(due.programIndex);
      case 'toolReturned':
        return this.#programs.toolReturned(due.programIndex);
      case 'timer':
        if (this.#timers.get(due.key) !== due.version) return;
        this.#timers.delete(due.key);
        return this.post({ type: 'timerFired', key: due.key });
      case 'observation':
        return due.engine.observe();
      case 'boundary':
        return due.engine.boundary(due.version, this.#programs);
      case 'resume':
        return due.engine.resume(due.version);
      case 'expiry':
        return due.engine.expire(due.version);
    }
  }

  // One case a command: a table would lose the types.
  // eslint-disable-next-line complexity
  #obey(command: Command): void {
    switch (command.type) {
      case 'dispatchTurn':
        this.observer?.turnDispatched?.(
          { programId: command.programId, index: command.hints.turn, engineId: command.engineId },
          this.now,
        );
        return this.#engine(command.engineId).submit(this.#programs.dispatched(command), command.hints);
      case 'abortTurn':
        return this.#engine(command.engineId).abort(command.turnId);
      case 'rerankTurn':
        return this.#engine(command.engineId).rerank(command.turnId, command.rank);
      case 'setPin':
        return this.#engine(command.engineId).pin(command.programId, command.terms);
      case 'renewPin':
        return this.#engine(command.engineId).renew(command.programId, command.terms);
      case 'releasePin':
        return this.#engine(command.engineId).release(command.programId);
      case 'scheduleTimer':
        this.#timerVersion += 1;
        this.#timers.set(command.key, this.#timerVersion);
        return this.queue.push(command.at, EventPriority.timerFired, {
          what: 'timer',
          key: command.key,
          version: this.#timerVersion,
        });
      case 'cancelTimer':
        this.#timers.delete(command.key);
        return;
      case 'recordDecision':
        return this.observer?.decision?.(command.decision);
      case 'resolveDecision':
        return this.observer?.resolved?.(command.decisionId, command.outcome, command.at);
      case 'rejectTurn':
      case 'requeuedTurn':
      case 'endProgram':
        throw new Error(`${command.type} cannot happen here: queues are unbounded, engines stay, nobody is silent`);
    }
  }

  #engine(engineId: string): EngineRunner {
    const engine = this.#engines.get(engineId);
    if (engine === undefined) throw new Error(`the kernel named engine ${engineId}, which does not exist`);
    return engine;
  }

  #result(): SimulationResult {
    const totals = {
      preemptions: 0,
      promptTokens: 0,
      cachedTokens: 0,
      reloadedTokens: 0,
      offloadedTokens: 0,
      outputTokens: 0,
    };
    for (const { engine } of this.options.engines) {
      const of = engine.totals();
      totals.preemptions += of.preemptions;
      totals.promptTokens += of.promptTokens;
      totals.cachedTokens += of.cachedTokens;
      totals.reloadedTokens += of.reloadedTokens;
      totals.offloadedTokens += of.offloadedTokens;
      totals.outputTokens += of.outputTokens;
    }
    return {
      endedAt: this.now,
      finishedPrograms: this.#programs.finished,
      unfinishedPrograms: this.options.arrivals.length - this.#programs.finished,
      finishedTurns: this.#programs.finishedTurns,
      counters: this.#kernel.view().counters,
      totals,
      handledEvents: this.#handledEvents,
    };
  }
}
