import { durationToProto, program as wire, timestampToProto } from '@holdfast/contracts';
import { between, type Instant } from '@holdfast/scheduling';
import type { LiveTurn, TurnDispatch, TurnResult } from './live-turn.js';

const finishReasons = {
  stop: wire.FinishReason.STOP,
  length: wire.FinishReason.LENGTH,
  abort: wire.FinishReason.ABORT,
} as const satisfies Record<TurnResult['finishReason'], wire.FinishReason>;

/** Pure. The first event of a turn. */
export const queuedMessage = (turn: LiveTurn, queueLength: number): wire.RunTurnResponse => ({
  event: {
    $case: 'queued',
    value: { turnId: turn.turnId, queueLength, compacted: turn.plan?.isCompaction ?? false },
  },
});

/** Pure. The second event; sent again when the turn lost its engine before any output and moved. */
export const startedMessage = (turn: LiveTurn, dispatch: TurnDispatch): wire.RunTurnResponse => ({
  event: {
    $case: 'started',
    value: { engineId: dispatch.engineId, queueWait: durationToProto(between(turn.submittedAt, dispatch.at)) },
  },
});

/** Pure. New output. */
export const deltaMessage = (ids: Uint32Array, text: string, logprobs: wire.TokenLogprob[]): wire.RunTurnResponse => ({
  event: { $case: 'delta', value: { tokenIds: Array.from(ids), text, logprobs } },
});

/** Pure. The log probabilities of output tokens; none when the turn did not ask for them. */
export const logprobMessages = (
  { output, logprobs }: LiveTurn,
  { from, to }: { readonly from: number; readonly to: number },
  textOf?: (tokenId: number) => string,
): wire.TokenLogprob[] => {
  const ids = output.view(from, to);
  return logprobs.slice(from, to).map(({ logprob, topIds, topLogprobs }, place) => ({
    logprob,
    topTokenIds: [...topIds],
    topLogprobs: [...topLogprobs],
    text: textOf?.(ids[place] ?? 0) ?? '',
    topTexts: textOf === undefined ? [] : topIds.map(textOf),
  }));
};

/** Pure. The last event. */
export const finishedMessage = (turn: LiveTurn, result: TurnResult): wire.RunTurnResponse => ({
  event: {
    $case: 'finished',
    value: {
      turnId: turn.turnId,
      finishReason: finishReasons[result.finishReason],
      usage: {
        promptTokens: result.promptTokens,
        cachedTokens: result.cachedTokens,
        outputTokens: turn.output.length,
        recomputedTokens: result.recomputedTokens,
      },
      toolCalls: result.toolCalls.map((call) => ({ ...call })),
      pin: result.pin === null ? undefined : pinState(result.pin),
      timeToFirstToken:
        turn.firstTokenAt === null ? undefined : durationToProto(between(turn.submittedAt, turn.firstTokenAt)),
      duration: durationToProto(between(turn.submittedAt, result.finishedAt)),
      chunks: turn.chunkUse ?? undefined,
    },
  },
});

/** Pure. What is held, as the wire says it. */
export const pinState = (pin: {
  readonly engineId: string;
  readonly pinnedTokens: number;
  readonly expiresAt: Instant;
}): wire.PinState => ({
  engineId: pin.engineId,
  pinnedTokens: pin.pinnedTokens,
  expiresAt: timestampToProto(pin.expiresAt),
});
