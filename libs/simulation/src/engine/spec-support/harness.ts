import { after, type Duration, type Instant, instant, micros, type PinTerms } from '@holdfast/scheduling';
import { EngineModel } from '../engine-model.js';
import type { EngineModelOptions } from '../engine-options.js';
import type { ModelEvent, ModelPinEvent } from '../model-event.js';
import type { ModelRequest } from '../model-request.js';
import type { FinishedRequest, StepOutcome } from '../step-outcome.js';

/** Ten blocks of four tokens, and every step takes 100 microseconds. */
export const smallEngine: EngineModelOptions = {
  totalBlocks: 10,
  blockTokens: 4,
  maxRunningRequests: 8,
  tokenBudget: 64,
  maxPinnedFraction: 1,
  epoch: 'epoch-1',
  stepTime: {
    baseMicros: 100,
    perPrefillTokenMicros: 0,
    perDecodeSequenceMicros: 0,
    perContextTokenMicros: 0,
    perPrefillPairMicros: 0,
  },
};

/** `length` token ids that only this family has. Two prompts of one family share all tokens of the shorter. */
export const tokensOf = (family: number, length: number): Uint32Array =>
  Uint32Array.from({ length }, (_unused, index) => family * 1_000_000 + index);

/** Output ids continue the family's token sequence behind a prompt of that length. */
export const continues =
  (family: number, promptTokens: number): ((index: number) => number) =>
  (index) =>
    family * 1_000_000 + promptTokens + index;

export const hardPin = (value: number | null, ttl: Duration = micros(1e9)): PinTerms => ({ ttl, soft: false, value });
export const softPin = (value: number | null, ttl: Duration = micros(1e9)): PinTerms => ({ ttl, soft: true, value });

/** A request of a token family; the id doubles as the program's. */
export interface FamilyRequest extends Partial<ModelRequest> {
  readonly family: number;
  readonly promptTokens: number;
}

/** Drives a model and keeps what it reported. */
export class Harness {
  readonly model: EngineModel;
  readonly finished: FinishedRequest[] = [];
  readonly events: ModelEvent[] = [];
  now: Instant = instant(0);

  constructor(options: Partial<EngineModelOptions> = {}) {
    this.model = new EngineModel({ ...smallEngine, ...options });
  }

  submit({ family, promptTokens, ...rest }: FamilyRequest): string {
    const request: ModelRequest = {
      requestId: `r${family}`,
      programId: `p${family}`,
      promptIds: tokensOf(family, promptTokens),
      outputTokens: 1,
      outputIdAt: continues(family, promptTokens),
      rank: 0,
      bid: 0,
      ...rest,
    };
    this.model.submit(request, this.now);
    return request.requestId;
  }

  /** One step; `null` when nothing can run. */
  step(): StepOutcome | null {
    const started = this.model.startStep(this.now);
    if (started === null) return null;
    this.now = started.endsAt;
    const outcome = this.model.finishStep();
    this.finished.push(...outcome.finished);
    this.events.push(...this.model.drainEvents());
    return outcome;
  }

  /** Steps until nothing is left; throws when that takes longer than any sound engine needs. */
  run(maxSteps = 10_000): StepOutcome[] {
    const outcomes: StepOutcome[] = [];
    while (this.model.hasWork()) {
      const outcome = this.step();
      if (outcome === null) throw new Error('work is left and nothing runs');
      outcomes.push(outcome);
      if (outcomes.length > maxSteps) throw new Error(`work is left after ${maxSteps} steps`);
    }
    return outcomes;
  }

  /** Submits one request and runs it to its end. */
  serve(request: FamilyRequest): FinishedRequest {
    const requestId = this.submit(request);
    this.run();
    const finished = this.finished.findLast((candidate) => candidate.requestId === requestId);
    if (finished === undefined) throw new Error(`${requestId} did not finish`);
    return finished;
  }

  wait(length: number): void {
    this.now = after(this.now, micros(length));
  }

  stats(): ReturnType<EngineModel['stats']> {
    return this.model.stats(this.now);
  }

  /** Pin events so far as `change program reason`. */
  pinChanges(): string[] {
    this.events.push(...this.model.drainEvents());
    return this.events
      .filter((event): event is ModelPinEvent => event.type === 'pin')
      .map(({ change, pin, reason }) => [change, pin.programId, reason].filter(Boolean).join(' '));
  }
}
