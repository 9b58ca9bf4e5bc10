import type { EngineDescription } from '../model/engine.js';
import { after, instant, micros, seconds, type Duration, type Instant } from '../model/units.js';
import { parsePolicy, type PolicyProfile } from '../policy/registry.js';
import type { Command } from './command.js';
import type { Decision } from './decision.js';
import type { KernelEvent } from './event.js';
import { createKernel, type Kernel } from './kernel.js';

/** An engine of 1,000 blocks of 16 that does all a simulated one does. */
export const anEngine = (changes: Partial<EngineDescription> = {}): EngineDescription => ({
  engineId: 'engine-a',
  epoch: 'epoch-1',
  capabilities: { pins: true, softPins: true, ordersByRank: true, reranks: true },
  totalBlocks: 1_000,
  blockTokens: 16,
  maxRunningRequests: 64,
  prefillCost: { baseSeconds: 0, perTokenSeconds: 0.001, perTokenSquaredSeconds: 0 },
  ...changes,
});

/** A kernel with a clock in the test's hand and short words for the common events. */
export class KernelFixture {
  readonly kernel: Kernel;
  now: Instant = instant(1_000_000);
  /** Everything the kernel ever asked for, in order. */
  readonly log: Command[] = [];
  #turns = 0;

  constructor(
    policy: string | PolicyProfile = 'vllm-fcfs',
    limits: { dispatchWindow?: number; maxQueuedTurns?: number } = {},
  ) {
    this.kernel = createKernel({
      profile: typeof policy === 'string' ? parsePolicy(policy) : policy,
      fencingToken: 7,
      dispatchWindow: limits.dispatchWindow ?? 2,
      maxQueuedTurns: limits.maxQueuedTurns ?? 1_000,
    });
  }

  post(event: KernelEvent): readonly Command[] {
    const commands = this.kernel.handle(event, this.now);
    this.log.push(...commands);
    return commands;
  }

  wait(duration: Duration): this {
    this.now = after(this.now, duration);
    return this;
  }

  join(changes: Partial<EngineDescription> = {}): readonly Command[] {
    return this.post({ type: 'engineJoined', engine: anEngine(changes) });
  }

  start(programId: string): readonly Command[] {
    this.wait(micros(1));
    return this.post({
      type: 'programStarted',
      programId,
      tenantId: 'tenant',
      programClass: 'class',
      arrivedAt: this.now,
      idleLimit: seconds(3_600),
      contextTokens: 0,
      turnsFinished: 0,
    });
  }

  submit(programId: string, options: { tokens?: number; shared?: number; isLast?: boolean } = {}): string {
    this.#turns += 1;
    const turnId = `turn-${this.#turns}`;
    this.wait(micros(1));
    this.post({
      type: 'turnSubmitted',
      programId,
      turnId,
      promptTokens: options.tokens ?? 100,
      sharedTokens: options.shared ?? 0,
      maxOutputTokens: 50,
      isLast: options.isLast ?? false,
    });
    return turnId;
  }

  started(turnId: string): readonly Command[] {
    return this.post({ type: 'turnStarted', turnId });
  }

  finished(
    turnId: string,
    options: { tokens?: number; cached?: number; pinnedFor?: Duration } = {},
  ): readonly Command[] {
    return this.post({
      type: 'turnFinished',
      turnId,
      promptTokens: options.tokens ?? 100,
      cachedTokens: options.cached ?? 0,
      outputTokens: 50,
      ...(options.pinnedFor === undefined
        ? {}
        : { pin: { pinnedTokens: 144, expiresAt: after(this.now, options.pinnedFor) } }),
    });
  }

  /** Runs a turn to its end at once; the engine grants the pin that was asked for. */
  run(programId: string, options: { tokens?: number; shared?: number; cached?: number } = {}): string {
    const turnId = this.submit(programId, options);
    const dispatch = this.dispatches().at(-1);
    this.started(turnId);
    const ttl = dispatch?.turnId === turnId ? dispatch.hints.pin?.ttl : undefined;
    this.finished(turnId, { ...options, ...(ttl === undefined ? {} : { pinnedFor: ttl }) });
    return turnId;
  }

  tool(programId: string, tool: string, toolCallId = 'call-1'): readonly Command[] {
    return this.post({ type: 'toolCallStarted', programId, toolCallId, tool });
  }

  toolEnded(programId: string, toolCallId = 'call-1'): readonly Command[] {
    return this.post({ type: 'toolCallFinished', programId, toolCallId });
  }

  dispatches(): Extract<Command, { type: 'dispatchTurn' }>[] {
    return this.log.filter((command) => command.type === 'dispatchTurn');
  }

  dispatchedTurns(): string[] {
    return this.dispatches().map((command) => command.turnId);
  }

  decisions(): Decision[] {
    return this.log.flatMap((command) => (command.type === 'recordDecision' ? [command.decision] : []));
  }

  /** Words for the commands, without the bookkeeping. */
  static verbs(commands: readonly Command[]): string[] {
    const quiet = new Set(['recordDecision', 'resolveDecision', 'scheduleTimer', 'cancelTimer']);
    return commands.map((command) => command.type).filter((type) => !quiet.has(type));
  }
}
