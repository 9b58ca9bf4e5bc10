/**
 * Runs dispatched turns on their engines: one engine call an attempt, its events into the turn and into the loop.
 *
 * Invariants: an attempt that was aborted or forgotten says nothing more; every other attempt ends with exactly one
 * `turnFinished` or `turnFailed`; the engine's stream is left alone while the turn's callers cannot take more.
 */
import { EngineError, type ChunkWork, type EngineClient, type GenerateEvent } from '@holdfast/engines';
import { DomainError, isDomainError, toDomainError } from '@holdfast/platform';
import type {
  DispatchTurn,
  EngineEpoch,
  EngineId,
  Instant,
  KernelEvent,
  RerankTurn,
  TurnId,
} from '@holdfast/scheduling';
import { instant } from '@holdfast/scheduling';
import type { ChunkSpans } from '../telemetry/chunk-spans.js';
import type { EngineCallTrace } from '../telemetry/program-trace.js';
import type { LiveTurn, TurnDispatch, TurnPlan } from './live-turn.js';
import type { TurnTable } from './turn-table.js';

/** Engines tried for one turn at most; then the caller is told. */
const MAX_ATTEMPTS = 3;

/** The last event of an engine's answer. */
export type EngineAnswer = Extract<GenerateEvent, { type: 'complete' }>;

type TokensEvent = Extract<GenerateEvent, { type: 'tokens' }>;

/** What the runner works with. */
export interface TurnRunnerOptions {
  readonly turns: TurnTable;
  readonly now: () => Instant;
  readonly post: (event: KernelEvent) => void;
  /** The client of an engine in an epoch; undefined when that is over. */
  readonly client: (engineId: EngineId, epoch: EngineEpoch) => EngineClient | undefined;
  /** An engine call broke: find out whether the engine is to be given up, and post `engineLost` if so. */
  readonly suspect: (engineId: EngineId, epoch: EngineEpoch, error: DomainError) => Promise<void>;
  readonly trace: (turn: LiveTurn, dispatch: TurnDispatch) => EngineCallTrace;
  /** How an engine that reuses chunks is to make the KV of a turn; undefined computes everything. */
  readonly chunkWork: (
    turn: LiveTurn,
    engine: { readonly engineId: EngineId; readonly epoch: EngineEpoch },
    trace: ChunkSpans,
  ) => Promise<ChunkWork | undefined>;
  /** The engine did not take a new rank, or did not answer: the turn keeps the one it has there. */
  readonly onRankRefused: (command: RerankTurn, error: DomainError) => void;
  /** The turn has its whole answer; the kernel knows. */
  readonly onFinished: (turn: LiveTurn, answer: EngineAnswer, engineId: EngineId) => void;
  /** The turn ends without one; the kernel knows. */
  readonly onFailed: (turn: LiveTurn, error: DomainError) => void;
}

interface Attempt {
  readonly turn: LiveTurn;
  readonly plan: TurnPlan;
  readonly command: DispatchTurn;
  readonly dispatch: TurnDispatch;
  readonly trace: EngineCallTrace;
  readonly abort: AbortController;
  isForgotten: boolean;
  /** Not yet with the engine; null when nothing is under way. */
  newRank: RerankTurn | null;
}

/** See the file header. */
export class TurnRunner {
  readonly #options: TurnRunnerOptions;
  readonly #attempts = new Map<TurnId, Attempt>();

  constructor(options: TurnRunnerOptions) {
    this.#options = options;
  }

  /** Engine calls that run. */
  get running(): number {
    return this.#attempts.size;
  }

  /** True while an engine call of the turn runs. */
  runs(turnId: TurnId): boolean {
    return this.#attempts.has(turnId);
  }

  /** Modifies state. Starts the engine call of a turn; returns before its first answer. */
  start(command: DispatchTurn): void {
    const turn = this.#options.turns.get(command.turnId);
    // The turn ended while the command was on its way: the kernel hears of that end by its own event.
    if (turn?.plan == null) return;
    const dispatch = turn.markDispatched({
      engineId: command.engineId,
      epoch: command.epoch,
      now: this.#options.now(),
    });
    const attempt: Attempt = {
      turn,
      plan: turn.plan,
      command,
      dispatch,
      trace: this.#options.trace(turn, dispatch),
      abort: new AbortController(),
      isForgotten: false,
      newRank: null,
    };
    this.#attempts.set(turn.turnId, attempt);
    void this.#run(attempt);
  }

  /** Modifies state. Ends the engine call; nothing more is heard of it. */
  forget(turnId: TurnId): void {
    const attempt = this.#attempts.get(turnId);
    if (attempt === undefined) return;
    attempt.isForgotten = true;
    this.#attempts.delete(turnId);
    attempt.trace.end({ outcome: 'aborted' });
    attempt.abort.abort();
  }

  /** Modifies state. Gives the engine call of a turn another rank; of several that wait, only the last one counts. */
  rerank(command: RerankTurn): void {
    const attempt = this.#attempts.get(command.turnId);
    if (attempt === undefined || attempt.command.epoch !== command.epoch) return;
    const isUnderWay = attempt.newRank !== null;
    attempt.newRank = command;
    if (!isUnderWay) void this.#sendRanks(attempt);
  }

  /** One call at a time, so that an older rank never overtakes a newer one. */
  async #sendRanks(attempt: Attempt): Promise<void> {
    while (attempt.newRank !== null && this.#attempts.get(attempt.turn.turnId) === attempt) {
      const command = attempt.newRank;
      const client = this.#options.client(command.engineId, command.epoch);
      try {
        // False: the request has just left the engine.
        await client?.rerank(requestIdOf(attempt), command.epoch, command.rank);
      } catch (error) {
        this.#options.onRankRefused(command, isDomainError(error) ? error : toDomainError(error));
      }
      if (attempt.newRank === command) attempt.newRank = null;
    }
  }

  async #run(attempt: Attempt): Promise<void> {
    try {
      const answer = await this.#generate(attempt);
      if (answer !== null) this.#finish(attempt, answer);
    } catch (error) {
      await this.#fail(attempt, error);
    }
  }

  /** Feeds the turn. Null when the attempt was forgotten. */
  async #generate(attempt: Attempt): Promise<EngineAnswer | null> {
    const { turn, plan, command, trace, abort } = attempt;
    const { engineId, epoch } = command;
    const client = this.#options.client(engineId, epoch);
    if (client === undefined) {
      throw new EngineError({ reason: 'ENGINE_UNREACHABLE', engineId, message: `epoch ${epoch} is over` });
    }
    const engine = { engineId, epoch };
    const chunks = client.chunks === undefined ? undefined : await this.#options.chunkWork(turn, engine, trace.chunks);
    if (attempt.isForgotten) return null;
    if (chunks !== undefined) trace.chunks.executing();
    const events = client.generate({
      requestId: requestIdOf(attempt),
      promptIds: plan.promptIds,
      sampling: plan.sampling,
      hints: command.hints,
      ...trace.context,
      ...(chunks === undefined ? {} : { chunks }),
      signal: abort.signal,
    });
    for await (const event of events) {
      if (attempt.isForgotten) return null;
      if (event.type === 'complete') return event;
      this.#takeTokens(attempt, event);
      if (turn.isCongested) await turn.untilReadable();
      if (attempt.isForgotten) return null;
    }
    if (attempt.isForgotten) return null;
    throw new EngineError({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId, message: 'the answer has no end' });
  }

  #takeTokens({ turn, trace }: Attempt, { tokenIds, logprobs }: Pick<TokensEvent, 'tokenIds' | 'logprobs'>): void {
    const isFirst = turn.output.length === 0 && tokenIds.length > 0;
    turn.addOutput(tokenIds, this.#options.now(), logprobs);
    if (!isFirst) return;
    trace.firstToken();
    this.#options.post({ type: 'turnStarted', turnId: turn.turnId });
  }

  #finish(attempt: Attempt, answer: EngineAnswer): void {
    const { turn, command, trace } = attempt;
    this.#attempts.delete(turn.turnId);
    // An engine that streams nothing before its end has started all the same.
    if (turn.output.length === 0) this.#takeTokens(attempt, { tokenIds: answer.outputIds });
    const { promptTokens, cachedTokens } = answer;
    const outputTokens = turn.output.length;
    trace.end({
      ...{ outcome: 'finished', promptTokens, cachedTokens, outputTokens },
      ...(answer.chunks === undefined ? {} : { chunks: answer.chunks }),
    });
    this.#options.post({
      type: 'turnFinished',
      turnId: turn.turnId,
      promptTokens,
      cachedTokens,
      outputTokens,
      ...(answer.pin === undefined
        ? {}
        : {
            pin: {
              pinnedTokens: answer.pin.pinnedTokens,
              expiresAt: instant(this.#options.now() + answer.pin.expiresInMs * 1_000),
            },
          }),
    });
    this.#options.onFinished(turn, answer, command.engineId);
  }

  async #fail(attempt: Attempt, cause: unknown): Promise<void> {
    if (attempt.isForgotten) return;
    const { turn, command, dispatch, trace } = attempt;
    const error = isDomainError(cause) ? cause : toDomainError(cause);
    trace.end({ outcome: 'failed', error });
    const mayRunElsewhere = isEngineFault(error) && turn.output.length === 0 && dispatch.attempt < MAX_ATTEMPTS;
    if (mayRunElsewhere) {
      // An engine that is given up loses all its turns at once, and this attempt is forgotten on the way.
      await this.#options.suspect(command.engineId, command.epoch, error);
      if (attempt.isForgotten) return;
    }
    this.#attempts.delete(turn.turnId);
    this.#options.post({ type: 'turnFailed', turnId: turn.turnId, reason: error.reason, mayRunElsewhere });
    if (!mayRunElsewhere && !turn.hasEnded) this.#options.onFailed(turn, error);
  }
}

/** Pure. Name of the request at its engine. */
const requestIdOf = ({ turn, dispatch }: Attempt): string => `${turn.turnId}.${dispatch.attempt}`;

/** Pure. True for faults of the engine, not of the request: another engine may do better. */
const isEngineFault = (error: DomainError): boolean =>
  [
    'ENGINE_UNREACHABLE',
    'ENGINE_RESTARTED',
    'EPOCH_STALE',
    'ENGINE_DEADLINE',
    'ENGINE_PROTOCOL_VIOLATED',
    'DRAINING',
    'QUEUE_FULL',
  ].includes(error.reason);
