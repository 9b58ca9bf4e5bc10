import fc from 'fast-check';
import { after, micros, seconds, type Instant } from '../model/units.js';
import { policyNames, type PolicyProfile } from '../policy/registry.js';
import type { Command } from './command.js';
import type { KernelEvent } from './event.js';
import { KernelFixture, anEngine } from './kernel.fixture.js';

/** One thing that may happen, as numbers that the world reads as it can. */
export interface Happening {
  readonly what: (typeof KINDS)[number];
  readonly which: number;
  readonly waitMicros: number;
  readonly flag: boolean;
}

const KINDS = [
  'startProgram', 'submit', 'submit', 'started', 'finished', 'finished', 'failed', 'cancelled', 'toolStarted',
  'toolEnded', 'endProgram', 'engineJoined', 'engineLost', 'engineDraining', 'pinChanged', 'timer', 'observed', 'stale',
  'policyActivated',
] as const; // prettier-ignore

/** Arbitrary histories, shrinkable. */
export const happenings = fc.array(
  fc.record({
    what: fc.constantFrom(...KINDS),
    which: fc.nat(1_000),
    waitMicros: fc.oneof(fc.constant(0), fc.nat(5_000_000), fc.constant(65_000_000)),
    flag: fc.boolean(),
  }),
  // Without a size, arrays stay near ten items, whatever their limit.
  { maxLength: 120, size: 'max' },
);

/** Every profile, and parameters that make a short history interesting. */
export const POLICY_SPECS: readonly string[] = [
  ...policyNames().map(({ name }) => name),
  'static-ttl:ttl=5s',
  'continuum:coldSamples=2',
  'continuum:coldSamples=2:guard=prose:t=all',
  'infercept:form=ttl',
  'thunderagent:literal=yes:decay=yes',
  'mars:window=1:remaining=all',
];

export const policies = fc.constantFrom(...POLICY_SPECS);

interface RunningTurn {
  readonly programId: string;
  readonly engineId: string;
  readonly pinned: boolean;
  started: boolean;
}

/**
 * A world that is honest: it does what the kernel commands, and what happens in it can happen. It keeps its own books,
 * which properties compare with the kernel's.
 */
export class World {
  readonly fixture: KernelFixture;
  readonly recorded: { readonly now: Instant; readonly event: KernelEvent }[] = [];
  readonly programs = new Set<string>();
  readonly queued = new Map<string, string>();
  readonly running = new Map<string, RunningTurn>();
  readonly ended = new Map<string, 'finished' | 'failed' | 'cancelled' | 'rejected'>();
  readonly engines = new Map<string, { epoch: number; draining: boolean }>();
  readonly timers = new Map<string, Instant>();
  /** Commands that cannot be right, in words. */
  readonly violations: string[] = [];
  readonly openTools: { programId: string; toolCallId: string }[] = [];
  #count = 0;

  constructor(policy: string | PolicyProfile) {
    this.fixture = new KernelFixture(policy, { dispatchWindow: 2, maxQueuedTurns: 5 });
  }

  /** Lets one thing happen; things that cannot happen now are skipped. */
  step(happening: Happening): readonly Command[] {
    this.fixture.wait(micros(happening.waitMicros));
    const before = this.fixture.log.length;
    const event = this.#eventOf(happening);
    if (event !== null) this.post(event);
    return this.fixture.log.slice(before);
  }

  post(event: KernelEvent): readonly Command[] {
    this.recorded.push({ now: this.fixture.now, event });
    const commands = this.fixture.post(event);
    for (const command of commands) this.#obey(command);
    return commands;
  }

  #obey(command: Command): void {
    switch (command.type) {
      case 'dispatchTurn':
        this.#checkDispatch(command);
        this.queued.delete(command.turnId);
        this.running.set(command.turnId, {
          programId: command.programId,
          engineId: command.engineId,
          pinned: command.hints.pin !== undefined,
          started: false,
        });
        return;
      case 'requeuedTurn': {
        const turn = this.running.get(command.turnId);
        this.running.delete(command.turnId);
        if (turn !== undefined) this.queued.set(command.turnId, turn.programId);
        return;
      }
      case 'rejectTurn':
        this.queued.delete(command.turnId);
        this.ended.set(command.turnId, 'rejected');
        return;
      case 'abortTurn':
        this.running.delete(command.turnId);
        return;
      case 'scheduleTimer':
        this.timers.set(command.key, command.at);
        return;
      case 'cancelTimer':
        this.timers.delete(command.key);
        return;
      default:
        return;
    }
  }

  // One case a kind of happening.
  // eslint-disable-next-line complexity
  #eventOf({ what, which, flag }: Happening): KernelEvent | null {
    const { now } = this.fixture;
    const program = pick([...this.programs], which);
    const [turnId, turn] = pick([...this.running], which) ?? [];
    switch (what) {
      case 'startProgram': {
        const programId = this.#name('program');
        const parentId = flag ? program : undefined;
        this.programs.add(programId);
        return {
          type: 'programStarted', programId, tenantId: 't', programClass: 'c', arrivedAt: now,
          idleLimit: seconds(100), contextTokens: 0, turnsFinished: 0, ...(parentId === undefined ? {} : { parentId }),
        }; // prettier-ignore
      }
      case 'submit': {
        const busy = new Set([...this.queued.values(), ...[...this.running.values()].map((other) => other.programId)]);
        const idle = pick(
          [...this.programs].filter((programId) => !busy.has(programId)),
          which,
        );
        if (idle === undefined) return null;
        const submitted = this.#name('turn');
        this.queued.set(submitted, idle);
        const promptTokens = 1 + (which % 300);
        return {
          type: 'turnSubmitted', programId: idle, turnId: submitted, promptTokens, sharedTokens: flag ? promptTokens - 1 : 0,
          maxOutputTokens: 10, isLast: which % 17 === 0,
        }; // prettier-ignore
      }
      case 'started':
        if (turnId === undefined || turn === undefined) return null;
        turn.started = true;
        return { type: 'turnStarted', turnId };
      case 'finished':
        if (turnId === undefined || turn === undefined) return null;
        return this.#end(turnId, 'finished', {
          type: 'turnFinished', turnId, promptTokens: 100, cachedTokens: flag ? 96 : 0, outputTokens: 10,
          ...(turn.pinned && which % 3 > 0 ? { pin: { pinnedTokens: 96, expiresAt: after(now, seconds(5)) } } : {}),
        }); // prettier-ignore
      case 'failed':
        if (turnId === undefined || turn === undefined) return null;
        if (flag && !turn.started)
          return { type: 'turnFailed', turnId, reason: 'ENGINE_DEADLINE', mayRunElsewhere: true };
        return this.#end(turnId, 'failed', {
          type: 'turnFailed',
          turnId,
          reason: 'ENGINE_DEADLINE',
          mayRunElsewhere: false,
        });
      case 'cancelled': {
        const id = pick([...this.queued.keys(), ...this.running.keys()], which);
        return id === undefined ? null : this.#end(id, 'cancelled', { type: 'turnCancelled', turnId: id });
      }
      case 'toolStarted': {
        if (program === undefined) return null;
        const toolCallId = this.#name('call');
        this.openTools.push({ programId: program, toolCallId });
        return { type: 'toolCallStarted', programId: program, toolCallId, tool: flag ? 'grep' : 'pytest' };
      }
      case 'toolEnded': {
        const call = this.openTools.splice(which % Math.max(1, this.openTools.length), 1)[0];
        return call === undefined ? null : { type: 'toolCallFinished', ...call };
      }
      case 'endProgram':
        if (program === undefined) return null;
        this.programs.delete(program);
        for (const [id, owner] of this.queued) if (owner === program) this.#close(id, 'cancelled');
        for (const [id, other] of this.running) if (other.programId === program) this.#close(id, 'cancelled');
        return { type: 'programEnded', programId: program, outcome: 'completed' };
      case 'engineJoined': {
        const engineId = `engine-${which % 3}`;
        const epoch = (this.engines.get(engineId)?.epoch ?? 0) + 1;
        this.#loseStarted(engineId);
        this.engines.set(engineId, { epoch, draining: false });
        return {
          type: 'engineJoined',
          engine: anEngine({ engineId, epoch: String(epoch), maxRunningRequests: 3, totalBlocks: 100 }),
        };
      }
      case 'engineLost': {
        const engineId = pick([...this.engines.keys()], which);
        if (engineId === undefined) return null;
        this.#loseStarted(engineId);
        this.engines.delete(engineId);
        return { type: 'engineLost', engineId, reason: 'ENGINE_UNREACHABLE' };
      }
      case 'engineDraining': {
        const [engineId, engine] = pick([...this.engines], which) ?? [];
        if (engineId === undefined || engine === undefined) return null;
        engine.draining = true;
        return { type: 'engineDraining', engineId };
      }
      case 'pinChanged': {
        const [engineId, engine] = pick([...this.engines], which) ?? [];
        if (engineId === undefined || engine === undefined || program === undefined) return null;
        return {
          type: 'pinChanged', engineId, epoch: String(engine.epoch), programId: program, pinnedTokens: 96,
          change: pick(['set', 'renewed', 'released', 'expired', 'revoked', 'hit', 'lost'] as const, which) ?? 'set',
          expiresAt: after(now, seconds(5)),
        }; // prettier-ignore
      }
      case 'timer': {
        const due = pick(
          [...this.timers].filter(([, at]) => at <= now),
          which,
        );
        if (due === undefined) return null;
        this.timers.delete(due[0]);
        return { type: 'timerFired', key: due[0] };
      }
      case 'observed': {
        const [engineId, engine] = pick([...this.engines], which) ?? [];
        if (engineId === undefined || engine === undefined) return null;
        return {
          type: 'engineObserved', engineId, epoch: String(flag ? engine.epoch : engine.epoch - 1), observedAt: now,
          load: { freeBlocks: which, evictableBlocks: 0, pinnedBlocks: 0, activeBlocks: 0, runningRequests: 0, waitingRequests: 0 },
        }; // prettier-ignore
      }
      case 'policyActivated':
        return { type: 'policyActivated', version: which, policy: pick(POLICY_SPECS, which) ?? 'unknown' };
      case 'stale':
        return flag
          ? { type: 'leaseLost', fencingToken: 6 }
          : { type: 'turnFinished', turnId: `unknown-${which}`, promptTokens: 1, cachedTokens: 0, outputTokens: 1 };
    }
  }

  #checkDispatch({ turnId, engineId, epoch }: Extract<Command, { type: 'dispatchTurn' }>): void {
    const engine = this.engines.get(engineId);
    if (!this.queued.has(turnId)) this.violations.push(`${turnId} was dispatched but did not wait`);
    if (engine === undefined || engine.draining)
      this.violations.push(`${turnId} went to ${engineId}, which takes none`);
    else if (String(engine.epoch) !== epoch) this.violations.push(`${turnId} went to epoch ${epoch} of ${engineId}`);
  }

  /** Turns with output end with their engine: the shell says so when the engine call breaks. */
  #loseStarted(engineId: string): void {
    for (const [id, turn] of this.running) {
      if (turn.engineId !== engineId || !turn.started) continue;
      this.post(
        this.#end(id, 'failed', {
          type: 'turnFailed',
          turnId: id,
          reason: 'ENGINE_UNREACHABLE',
          mayRunElsewhere: false,
        }),
      );
    }
  }

  #end(turnId: string, outcome: 'finished' | 'failed' | 'cancelled', event: KernelEvent): KernelEvent {
    this.#close(turnId, outcome);
    return event;
  }

  #close(turnId: string, outcome: 'finished' | 'failed' | 'cancelled'): void {
    this.queued.delete(turnId);
    this.running.delete(turnId);
    this.ended.set(turnId, outcome);
  }

  #name(kind: string): string {
    this.#count += 1;
    return `${kind}-${this.#count}`;
  }
}

const pick = <T>(from: readonly T[], which: number): T | undefined => from[which % Math.max(1, from.length)];
