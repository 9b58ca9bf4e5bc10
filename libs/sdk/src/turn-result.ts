import { program as wire } from '@holdfast/contracts';
import { millisFromProto, pinFromProto, type Pin } from './program-info.js';
import type { ToolCall } from './turn-options.js';

/** New output of a turn. */
export interface TurnDelta {
  readonly tokenIds: readonly number[];
  /** Empty while a character is incomplete, and when the engine has no tokenizer. */
  readonly text: string;
  /** One for each token; absent unless the turn asked for them. */
  readonly logprobs?: readonly TokenLogprob[];
}

/** How likely an output token was to the model, before temperature, penalties and grammars. */
export interface TokenLogprob {
  /** Natural logarithm of its probability. */
  readonly logprob: number;
  /** The token by itself; U+FFFD for a part of a character, empty for turns of token ids. */
  readonly text: string;
  /** The likeliest tokens in its place, likeliest first, as many as were asked for. */
  readonly top: readonly { readonly tokenId: number; readonly logprob: number; readonly text: string }[];
}

/** Pure. */
export function deltaFromProto({ tokenIds, text, logprobs }: wire.TurnDelta): TurnDelta {
  return { tokenIds, text, ...(logprobs.length === 0 ? {} : { logprobs: logprobs.map(tokenLogprob) }) };
}

const tokenLogprob = ({ logprob, text, topTokenIds, topLogprobs, topTexts }: wire.TokenLogprob): TokenLogprob => ({
  logprob,
  text,
  top: topTokenIds.map((tokenId, place) => ({
    tokenId,
    logprob: topLogprobs[place] ?? -Infinity,
    text: topTexts[place] ?? '',
  })),
});

/** Tokens of a turn. */
export interface TurnUsage {
  readonly promptTokens: number;
  /** Of the prompt, found in the engine's cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Of the prompt, computed before for this program and computed again. */
  readonly recomputedTokens: number;
}

/** What a turn's chunks cost. The three counts of tokens sum to those of the chunks. */
export interface ChunkUse {
  /** Tokens whose stored KV was used as it is. */
  readonly reusedTokens: number;
  /** Tokens of reused chunks that were recomputed. */
  readonly recomputedTokens: number;
  /** Tokens of chunks that were computed in full. */
  readonly computedTokens: number;
  readonly reusedChunks: number;
  /** Share of the reused chunks' tokens that was to be recomputed. */
  readonly recomputeShare: number;
  /** Why this share, or why less than planned was done. */
  readonly reason: string;
  /** Mean KL divergence from a full recompute, nats a token; for turns that were compared with one. */
  readonly shadowKl?: number;
}

/** Why the output ended: the model ended it, a length limit was reached, or the turn was cancelled. */
export type FinishReason = 'stop' | 'length' | 'abort';

/** A finished turn. */
export interface TurnResult {
  readonly turnId: string;
  readonly requestId: string;
  /** The whole output. */
  readonly text: string;
  /** The whole output. */
  readonly tokenIds: readonly number[];
  /** One for each output token; absent unless the turn asked for them. */
  readonly logprobs?: readonly TokenLogprob[];
  /** Tool calls found in the output. */
  readonly toolCalls: readonly ToolCall[];
  readonly usage: TurnUsage;
  readonly finishReason: FinishReason;
  /** Engine that ran it. */
  readonly engineId: string;
  /** The prompt did not extend the program's context, so its KV helped only up to the first difference. */
  readonly isCompaction: boolean;
  /** From submission to dispatch, by the service's clock. */
  readonly queueWaitMs: number;
  /** From submission to the first output token, by the service's clock. */
  readonly timeToFirstTokenMs: number;
  /** From submission to the end, by the service's clock. */
  readonly durationMs: number;
  /** What is held for the program now; unset when nothing is. */
  readonly pin?: Pin;
  /** For turns with chunks. */
  readonly chunks?: ChunkUse;
}

/** What {@link turnResult} puts together. */
export interface TurnParts {
  readonly requestId: string;
  readonly output: TurnDelta;
  readonly queued: wire.TurnQueued | undefined;
  readonly started: wire.TurnStarted | undefined;
  readonly finished: wire.TurnFinished;
}

/** Pure. The result of a turn from its events. */
export function turnResult({ requestId, output, queued, started, finished }: TurnParts): TurnResult {
  const usage = finished.usage ?? wire.Usage.create();
  const pin = pinFromProto(finished.pin);
  return {
    turnId: finished.turnId,
    requestId,
    text: output.text,
    tokenIds: output.tokenIds,
    ...(output.logprobs === undefined ? {} : { logprobs: output.logprobs }),
    toolCalls: finished.toolCalls.map(({ toolCallId, tool, argumentsJson }) => ({ toolCallId, tool, argumentsJson })),
    usage: {
      promptTokens: usage.promptTokens,
      cachedTokens: usage.cachedTokens,
      outputTokens: usage.outputTokens,
      recomputedTokens: usage.recomputedTokens,
    },
    finishReason: finishReasonOf(finished.finishReason),
    engineId: started?.engineId ?? '',
    isCompaction: queued?.compacted ?? false,
    queueWaitMs: millisFromProto(started?.queueWait),
    timeToFirstTokenMs: millisFromProto(finished.timeToFirstToken),
    durationMs: millisFromProto(finished.duration),
    ...(pin === undefined ? {} : { pin }),
    ...(finished.chunks === undefined ? {} : { chunks: chunkUse(finished.chunks) }),
  };
}

const chunkUse = ({ shadowKl, ...use }: wire.ChunkUse): ChunkUse =>
  shadowKl === undefined ? use : { ...use, shadowKl };

const finishReasonOf = (reason: wire.FinishReason): FinishReason => {
  if (reason === wire.FinishReason.LENGTH) return 'length';
  return reason === wire.FinishReason.ABORT ? 'abort' : 'stop';
};
