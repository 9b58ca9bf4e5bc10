import { build } from 'hdr-histogram-js';
import {
  after,
  createKernel,
  instant,
  micros,
  parsePolicy,
  seconds,
  type Command,
  type Instant,
  type Kernel,
  type KernelEvent,
} from '@holdfast/scheduling';

export interface KernelRow {
  readonly policy: string;
  readonly programs: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly maxMicros: number;
  readonly eventsPerSecond: number;
}

const ENGINES = 4;
const TOOLS = ['bash', 'edit', 'grep', 'pytest', 'read', 'web'];
const WARM_UP_EVENTS = 50_000;
const MEASURED_EVENTS = 200_000;

/**
 * Time of `kernel.handle` for one event while this many programs live. Programs cycle through submit, start, finish,
 * tool begin and tool end on four engines; as many turns wait as the engines cannot take, so every queue is deep.
 */
export const benchKernel = (policy: string, programs: number): KernelRow => {
  const cycle = new ProgramCycle(policy, programs);
  for (let index = 0; index < WARM_UP_EVENTS; index += 1) cycle.step();
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 10_000_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const startedAt = process.hrtime.bigint();
  for (let index = 0; index < MEASURED_EVENTS; index += 1) histogram.recordValue(Math.max(1, cycle.step()));
  const elapsedSeconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  return {
    policy,
    programs,
    p50Micros: histogram.getValueAtPercentile(50) / 1_000,
    p99Micros: histogram.getValueAtPercentile(99) / 1_000,
    maxMicros: histogram.maxValue / 1_000,
    eventsPerSecond: MEASURED_EVENTS / elapsedSeconds,
  };
};

/** A closed world around one kernel: whatever it dispatches starts, then finishes, then runs a tool, then comes back. */
class ProgramCycle {
  readonly #kernel: Kernel;
  /** Events that are ready, oldest first. */
  readonly #ready: KernelEvent[] = [];
  #head = 0;
  #now: Instant = instant(1_790_000_000_000_000);
  readonly #programOf = new Map<string, number>();
  readonly #turnsOf: Uint32Array;

  constructor(policy: string, programs: number) {
    this.#kernel = createKernel({
      profile: parsePolicy(policy),
      fencingToken: 1,
      dispatchWindow: 4,
      maxQueuedTurns: 1_000_000,
    });
    this.#turnsOf = new Uint32Array(programs);
    for (let index = 0; index < ENGINES; index += 1) this.#post(engineJoined(index));
    for (let index = 0; index < programs; index += 1) {
      this.#post(programStarted(index, this.#now));
      this.#ready.push(this.#submitted(index));
    }
  }

  /** Handles one event; returns the nanoseconds that took. */
  step(): number {
    const event = this.#ready[this.#head];
    if (event === undefined) throw new Error('the world ran dry: every program should always have something ahead');
    this.#head += 1;
    if (this.#head === 65_536) {
      this.#ready.splice(0, this.#head);
      this.#head = 0;
    }
    return this.#post(event);
  }

  #post(event: KernelEvent): number {
    this.#now = after(this.#now, micros(50));
    const startedAt = process.hrtime.bigint();
    const commands = this.#kernel.handle(event, this.#now);
    const nanos = Number(process.hrtime.bigint() - startedAt);
    for (const command of commands) this.#obey(command);
    this.#follow(event);
    return nanos;
  }

  #obey(command: Command): void {
    if (command.type !== 'dispatchTurn') return;
    const { turnId, hints } = command;
    this.#ready.push({ type: 'turnStarted', turnId });
    const pin =
      hints.pin === undefined ? {} : { pin: { pinnedTokens: 4_096, expiresAt: after(this.#now, hints.pin.ttl) } };
    this.#ready.push({
      type: 'turnFinished',
      turnId,
      promptTokens: 4_100,
      cachedTokens: 4_000,
      outputTokens: 100,
      ...pin,
    });
  }

  #follow(event: KernelEvent): void {
    if (event.type === 'turnFinished') {
      const program = this.#programOf.get(event.turnId) ?? 0;
      this.#programOf.delete(event.turnId);
      const tool = TOOLS[program % TOOLS.length] ?? 'bash';
      const call = { programId: `program-${program}`, toolCallId: 'call' };
      this.#ready.push({ type: 'toolCallStarted', ...call, tool }, { type: 'toolCallFinished', ...call });
    } else if (event.type === 'toolCallFinished') {
      this.#ready.push(this.#submitted(Number(event.programId.slice('program-'.length))));
    }
  }

  #submitted(program: number): KernelEvent {
    const turn = (this.#turnsOf[program] ?? 0) + 1;
    this.#turnsOf[program] = turn;
    const turnId = `turn-${program}-${turn}`;
    this.#programOf.set(turnId, program);
    return {
      type: 'turnSubmitted',
      programId: `program-${program}`,
      turnId,
      promptTokens: 4_100,
      sharedTokens: turn === 1 ? 0 : 4_000,
      maxOutputTokens: 100,
      isLast: false,
    };
  }
}

const engineJoined = (index: number): KernelEvent => ({
  type: 'engineJoined',
  engine: {
    engineId: `engine-${index}`,
    epoch: 'epoch',
    capabilities: { pins: true, softPins: true, ordersByRank: true, reranks: true },
    totalBlocks: 29_205,
    blockTokens: 16,
    maxRunningRequests: 256,
    prefillCost: { baseSeconds: 0.005, perTokenSeconds: 1.66e-5, perTokenSquaredSeconds: 4e-10 },
  },
});

const programStarted = (index: number, now: Instant): KernelEvent => ({
  type: 'programStarted',
  programId: `program-${index}`,
  tenantId: 'tenant',
  programClass: 'bench',
  arrivedAt: after(now, micros(index)),
  idleLimit: seconds(3_600),
  contextTokens: 0,
  turnsFinished: 0,
});
