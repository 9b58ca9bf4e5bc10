/**
 * The order and the arithmetic that a Generate stream must keep: chunks, then one complete, then the end.
 *
 * A stock vLLM fills `output_ids` and `completion_tokens` of the complete message with the last chunk alone when it
 * streams; other engines send the whole output. Both are a tail of what was streamed, and that is what is checked.
 */
import type { vllm } from '@holdfast/contracts';
import type { GenerateEvent } from '../engine-client.js';
import { EngineError, type EngineErrorInit } from '../engine-error.js';
import { decodeHintAnswer } from './hints.js';
import { readLogprobs } from './read-logprobs.js';

/** What the stream is checked against. */
export interface ExpectedAnswer {
  readonly engineId: string;
  readonly promptTokens: number;
  readonly maxTokens: number;
  /** Candidates asked for beside each token's log probability; undefined: no log probabilities. */
  readonly logprobs: number | undefined;
}

type CompleteEvent = Extract<GenerateEvent, { type: 'complete' }>;

/** Follows one stream. Modifies state. Both methods throw EngineError ENGINE_PROTOCOL_VIOLATED. */
export class GenerateProtocol {
  private readonly outputIds: number[] = [];
  private cachedTokens = 0;
  private completed = false;

  constructor(private readonly expected: ExpectedAnswer) {}

  /** The event of a message; undefined for a message without news. */
  accept(message: vllm.GenerateResponse): GenerateEvent | undefined {
    if (message.response === undefined) throw this.violation('a message is neither chunk nor complete');
    if (this.completed) throw this.violation(`a ${message.response.$case} message follows the complete one`);
    if (message.response.value.index !== 0) {
      throw this.violation(`a message has index ${message.response.value.index}; one answer was asked for`);
    }
    return message.response.$case === 'chunk'
      ? this.chunk(message.response.value)
      : this.complete(message.response.value);
  }

  /** Call it when the stream ended without an error. */
  end(): void {
    if (!this.completed)
      throw this.violation(`the stream ended after ${this.outputIds.length} tokens without complete`);
  }

  private chunk(chunk: vllm.GenerateStreamChunk): GenerateEvent | undefined {
    if (chunk.tokenIds.length === 0) return undefined;
    this.checkCounts(chunk.promptTokens, chunk.cachedTokens);
    this.cachedTokens = Math.max(this.cachedTokens, chunk.cachedTokens);
    for (const id of chunk.tokenIds) this.outputIds.push(id);
    if (this.outputIds.length > this.expected.maxTokens) {
      throw this.violation(`${this.outputIds.length} tokens came; ${this.expected.maxTokens} were allowed`);
    }
    const tokens = { type: 'tokens', tokenIds: chunk.tokenIds, cachedTokens: this.cachedTokens } as const;
    const { logprobs: candidates } = this.expected;
    if (candidates === undefined) return tokens;
    const logprobs = readLogprobs(chunk, candidates);
    if (logprobs === undefined) {
      const given = chunk.outputLogprobs?.tokenIds.length ?? 0;
      throw this.violation(`${chunk.tokenIds.length} tokens came with the log probabilities of ${given}, or of others`);
    }
    return { ...tokens, logprobs };
  }

  private complete(complete: vllm.GenerateComplete): CompleteEvent {
    this.completed = true;
    const finishReason = this.finishReason(complete);
    this.checkCounts(complete.promptTokens, complete.cachedTokens);
    this.checkOutput(complete);
    const answer = decodeHintAnswer(complete.kvTransferParamsJson);
    return {
      type: 'complete',
      finishReason,
      promptTokens: this.expected.promptTokens,
      cachedTokens: Math.max(this.cachedTokens, complete.cachedTokens),
      outputIds: this.outputIds,
      ...(answer === undefined ? {} : { pin: { pinnedTokens: answer.pinnedTokens, expiresInMs: answer.expiresInMs } }),
    };
  }

  private finishReason({ finishReason }: vllm.GenerateComplete): CompleteEvent['finishReason'] {
    if (finishReason === 'error') throw this.violation('the request failed inside the engine', { retryable: true });
    if (finishReason !== 'stop' && finishReason !== 'length' && finishReason !== 'abort') {
      throw this.violation(`finish_reason is "${finishReason}"; allowed is stop, length, abort or error`);
    }
    if (this.outputIds.length === 0 && finishReason !== 'abort') {
      throw this.violation(`the answer is complete ("${finishReason}") without a token`);
    }
    return finishReason;
  }

  private checkOutput({ outputIds, completionTokens }: vllm.GenerateComplete): void {
    const streamed = this.outputIds;
    if (completionTokens !== outputIds.length && completionTokens !== streamed.length) {
      throw this.violation(`completion_tokens is ${completionTokens}, but ${streamed.length} tokens were streamed`);
    }
    const start = streamed.length - outputIds.length;
    if (start < 0 || outputIds.some((id, i) => id !== streamed[start + i])) {
      throw this.violation(`the ${outputIds.length} output_ids are no tail of the ${streamed.length} streamed tokens`);
    }
  }

  /** Zero prompt tokens: the engine does not say. */
  private checkCounts(promptTokens: number, cachedTokens: number): void {
    if (promptTokens !== 0 && promptTokens !== this.expected.promptTokens) {
      throw this.violation(`prompt_tokens is ${promptTokens}, but ${this.expected.promptTokens} were sent`);
    }
    if (cachedTokens > this.expected.promptTokens) {
      throw this.violation(`cached_tokens is ${cachedTokens}, but the prompt has ${this.expected.promptTokens} tokens`);
    }
  }

  private violation(message: string, advice: Pick<EngineErrorInit, 'retryable'> = {}): EngineError {
    const { engineId } = this.expected;
    return new EngineError({
      reason: 'ENGINE_PROTOCOL_VIOLATED',
      engineId,
      message: `Generate: ${message}`,
      ...advice,
    });
  }
}
