/** Log probabilities of a finished turn as its row keeps them, so that a replay has them, too. */
import { program as wire } from '@holdfast/contracts';
import type { TokenLogprob } from '@holdfast/engines';

/** Pure. Null when there are none. */
export const logprobsToBytes = (logprobs: readonly TokenLogprob[]): Uint8Array | null =>
  logprobs.length === 0
    ? null
    : wire.TurnDelta.encode({
        tokenIds: [],
        text: '',
        logprobs: logprobs.map(({ logprob, topIds, topLogprobs }) => ({
          logprob,
          topTokenIds: [...topIds],
          topLogprobs: [...topLogprobs],
          text: '',
          topTexts: [],
        })),
      }).finish();

/** Pure. Reads what {@link logprobsToBytes} wrote. */
export const logprobsFromBytes = (bytes: Uint8Array | null | undefined): readonly TokenLogprob[] =>
  bytes === null || bytes === undefined
    ? []
    : wire.TurnDelta.decode(bytes).logprobs.map(({ logprob, topTokenIds, topLogprobs }) => ({
        logprob,
        topIds: topTokenIds,
        topLogprobs,
      }));
