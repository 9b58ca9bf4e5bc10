import { type Duration, after, micros } from '@holdfast/scheduling';
import type { GenerateCall, GenerateEvent } from '../engine-client.js';
import type { EngineError } from '../engine-error.js';
import { requireSampling } from '../sampling-features.js';
import { samplingToProto } from '../vllm/sampling-to-proto.js';
import type { FakeCore, FakeRun } from './fake-core.js';
import { FAKE_EOS_ID } from './fake-tokenizer.js';
import { logprobOf, promptHash, tokenAt } from './fake-tokens.js';

/** See `EngineClient.generate`. */
export async function* fakeGenerate(core: FakeCore, call: GenerateCall): AsyncGenerator<GenerateEvent, void> {
  core.requireReachable();
  checkCall(core, call);
  const request = new FakeRequest(core, call);
  const onAbort = (): void => request.interrupt(core.error('CALLER_CANCELLED', 'Generate: the caller aborted'));
  call.signal.addEventListener('abort', onAbort, { once: true });
  try {
    core.requests.add(request);
    await request.enter();
    yield* request.tokens();
    yield request.complete();
  } finally {
    call.signal.removeEventListener('abort', onAbort);
    core.requests.delete(request);
    request.leave();
  }
}

const checkCall = (core: FakeCore, call: GenerateCall): void => {
  if (call.signal.aborted) throw core.error('CALLER_CANCELLED', 'Generate: aborted before it was sent');
  if (call.promptIds.length === 0) throw core.error('PROMPT_EMPTY', 'promptIds has no tokens; at least 1 is needed');
  requireSampling(call.sampling, { engineId: core.options.engineId, features: core.options.samplingFeatures });
  try {
    samplingToProto(call.sampling);
  } catch (error) {
    throw core.error('FIELD_INVALID', (error as RangeError).message);
  }
  const needed = call.promptIds.length + call.sampling.maxTokens;
  if (needed > core.options.maxContextTokens) {
    const allowed = core.options.maxContextTokens;
    throw core.error('PROMPT_TOO_LONG', `prompt and maxTokens are ${needed} tokens; allowed are ${allowed}`);
  }
};

/** One request on its way through the fake engine: waiting, running, gone. */
class FakeRequest implements FakeRun {
  readonly requestId: string;
  rank: number;
  private readonly keys: readonly string[];
  private readonly outputIds: number[] = [];
  private readonly pool;
  private cachedTokens = 0;
  private failure: EngineError | undefined;
  private reject: (error: EngineError) => void = () => undefined;
  private readonly answer: readonly number[] | undefined;

  constructor(
    private readonly core: FakeCore,
    private readonly call: GenerateCall,
  ) {
    this.requestId = call.requestId;
    // Without an order by rank all are equal, and the first to come is the first to go on.
    this.rank = core.options.capabilities.ordersByRank ? call.hints.rank : 0;
    this.pool = core.pool;
    this.keys = core.pool.keysOf(call.promptIds);
    this.answer = core.options.answer(call);
  }

  interrupt(error: EngineError): void {
    this.failure ??= error;
    this.leave();
    this.reject(this.failure);
  }

  /** Waits for a place in the batch, then finds the cached prefix. */
  async enter(): Promise<void> {
    const { core } = this;
    while (core.running.size >= core.options.maxRunningRequests) await this.wait((go) => this.queue(go));
    core.running.add(this);
    // The last prompt token is always computed: its output is the first new token.
    const reusable = Math.floor((this.call.promptIds.length - 1) / core.options.blockTokens);
    const cachedBlocks = Math.min(this.pool.residentRun(this.keys), reusable);
    this.cachedTokens = cachedBlocks * core.options.blockTokens;
    this.pool.use(this.keys);
    core.pins.end(this.call.hints.programId, 'hit');
    const uncached = this.call.promptIds.length - this.cachedTokens;
    await this.pause(micros(core.options.prefillPerToken * uncached));
  }

  async *tokens(): AsyncGenerator<GenerateEvent, void> {
    for (;;) {
      await this.suffer();
      const id = this.nextToken();
      this.outputIds.push(id);
      const { logprobs } = this.call.sampling;
      yield {
        type: 'tokens',
        tokenIds: [id],
        cachedTokens: this.cachedTokens,
        ...(logprobs === undefined ? {} : { logprobs: [logprobOf(id, logprobs)] }),
      };
      if (this.failure !== undefined) throw this.failure;
      if (this.finishReason() !== undefined) return;
      await this.pause(this.core.options.decodePerToken);
    }
  }

  complete(): GenerateEvent {
    const { core, call } = this;
    this.leave();
    const pin = this.settlePin();
    return {
      type: 'complete',
      finishReason: this.finishReason() ?? 'abort',
      promptTokens: call.promptIds.length,
      cachedTokens: this.cachedTokens,
      outputIds: [...this.outputIds],
      ...(pin === undefined || !core.options.capabilities.pins ? {} : { pin }),
    };
  }

  /** Idempotent. */
  leave(): void {
    if (!this.core.running.delete(this)) return;
    this.pool.unuse(this.keys);
    this.core.letNextGo();
  }

  /** The blocks of prompt and output stay cached; the hinted pin goes over them. */
  private settlePin(): { pinnedTokens: number; expiresInMs: number } | undefined {
    const { core, call } = this;
    // The last output token was sampled, not computed: it has no KV.
    const keys = core.pool.keysOf(Uint32Array.of(...call.promptIds, ...this.outputIds.slice(0, -1)));
    core.pool.use(keys);
    core.pool.unuse(keys);
    core.lastTurn.set(call.hints.programId, keys);
    if (call.hints.pin === undefined || call.hints.isLast || !core.options.capabilities.pins) return undefined;
    try {
      const { pinnedTokens, expiresInMs } = core.setPin(call.hints.programId, call.hints.pin);
      return { pinnedTokens, expiresInMs };
    } catch {
      // A hint is advice: where the pin is not possible the answer stands without it.
      return undefined;
    }
  }

  private nextToken(): number {
    const position = this.outputIds.length;
    const given = this.answer?.[position];
    if (given !== undefined) return given;
    const { ignoreEos, minTokens = 0, seed = 0 } = this.call.sampling;
    const { eosOneIn } = this.core.options;
    const from = { promptHash: promptHash(this.call.promptIds), seed, eosOneIn, eosTokenId: FAKE_EOS_ID };
    return tokenAt(from, position, ignoreEos !== true && position >= minTokens);
  }

  private finishReason(): 'stop' | 'length' | undefined {
    const { length } = this.outputIds;
    if (this.answer !== undefined && length === this.answer.length) return 'stop';
    if (this.outputIds.at(-1) === FAKE_EOS_ID && this.call.sampling.ignoreEos !== true) return 'stop';
    const { stopTokenIds = [], minTokens = 0 } = this.call.sampling;
    if (length > minTokens && stopTokenIds.includes(this.outputIds.at(-1) ?? -1)) return 'stop';
    return length >= this.call.sampling.maxTokens ? 'length' : undefined;
  }

  private async suffer(): Promise<void> {
    const { fault } = this.core;
    if (fault === undefined || fault.type === 'unreachable' || this.outputIds.length < fault.afterTokens) return;
    if (fault.type === 'garbage')
      throw this.core.error('ENGINE_PROTOCOL_VIOLATED', 'Generate: the message is no protobuf');
    if (fault.type === 'cut') throw this.core.error('ENGINE_UNREACHABLE', 'Generate: the connection was cut');
    await this.pause(this.core.options.streamIdle);
    throw this.core.error('ENGINE_DEADLINE', 'Generate: no message within the idle deadline');
  }

  private queue(go: () => void): () => void {
    const wait = { run: this, go };
    this.core.waiting.push(wait);
    return () => {
      const at = this.core.waiting.indexOf(wait);
      if (at !== -1) this.core.waiting.splice(at, 1);
    };
  }

  private async pause(length: Duration): Promise<void> {
    const { clock } = this.core.options;
    if (length > 0) await this.wait((go) => clock.schedule(after(clock.now(), length), go));
    else if (this.failure !== undefined) throw this.failure;
  }

  /** Waits until `start`'s callback is called or the request is interrupted. */
  private wait(start: (go: () => void) => () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      const giveUp = start(resolve);
      this.reject = (error) => {
        giveUp();
        reject(error);
      };
    });
  }
}
