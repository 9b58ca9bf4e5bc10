/** Log probabilities of an answer in the two forms of the OpenAI API. */
import type { LiveTurn } from '../turns/live-turn.js';

/** One token, and the likeliest ones in its place, likeliest first. */
export interface ShownLogprob {
  /** Its text by itself; U+FFFD for a part of a character. */
  readonly token: string;
  readonly logprob: number;
  readonly top: readonly { readonly token: string; readonly logprob: number }[];
}

/** JSON has no infinity: OpenAI's and vLLM's API say this of what is impossible. */
const LEAST = -9999;

/** Pure. Of the output tokens `from` (inclusive) to `to` (exclusive). */
export const shownLogprobs = (
  { output, logprobs }: LiveTurn,
  { from, to }: { readonly from: number; readonly to: number },
  textOf: (tokenId: number) => string,
): readonly ShownLogprob[] => {
  const ids = output.view(from, to);
  return logprobs.slice(from, to).map(({ logprob, topIds, topLogprobs }, place) => ({
    token: textOf(ids[place] ?? 0),
    logprob: Math.max(logprob, LEAST),
    top: topIds.map((id, rank) => ({ token: textOf(id), logprob: Math.max(topLogprobs[rank] ?? LEAST, LEAST) })),
  }));
};

/** Pure. Of chat completions. */
export const chatLogprobs = (shown: readonly ShownLogprob[] | null): object | null =>
  shown === null
    ? null
    : {
        content: shown.map(({ top, ...one }) => ({ ...withBytes(one), top_logprobs: top.map(withBytes) })),
        refusal: null,
      };

/** A part of a character has no text, so its bytes are not known here. */
const withBytes = ({ token, logprob }: { readonly token: string; readonly logprob: number }): object => ({
  token,
  logprob,
  bytes: token.includes('\uFFFD') ? null : [...Buffer.from(token)],
});

/** Of completions. Owns state: offsets count on over the pieces of one answer. */
export const completionLogprobs = (): ((shown: readonly ShownLogprob[] | null) => object | null) => {
  let offset = 0;
  return (shown) => {
    if (shown === null) return null;
    const offsets = shown.map(({ token }) => {
      const start = offset;
      offset += token.length;
      return start;
    });
    return {
      tokens: shown.map(({ token }) => token),
      token_logprobs: shown.map(({ logprob }) => logprob),
      // Two tokens of one text: the likelier one counts.
      top_logprobs: shown.map(({ top }) =>
        Object.fromEntries([...top].reverse().map(({ token, logprob }) => [token, logprob])),
      ),
      text_offset: offsets,
    };
  };
};
