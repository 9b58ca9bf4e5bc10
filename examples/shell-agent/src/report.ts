import type { TurnResult } from '@holdfast/sdk';

/** One line on what Holdfast did for a turn. `nowMs` is what a pin's time left is counted from. */
export const turnLine = (turn: number, result: TurnResult, nowMs: number): string => {
  const { usage, pin } = result;
  const shareCached = usage.promptTokens === 0 ? 0 : Math.round((100 * usage.cachedTokens) / usage.promptTokens);
  const held =
    pin === undefined ? 'nothing pinned' : `pinned ${pin.pinnedTokens} tokens ${secondsLeft(pin.expiresAt, nowMs)}`;
  return [
    `turn ${turn}: prompt ${usage.promptTokens} tokens, ${usage.cachedTokens} cached (${shareCached} %)`,
    `${usage.recomputedTokens} computed again`,
    `${usage.outputTokens} out`,
    `queued ${Math.round(result.queueWaitMs)} ms`,
    `first token after ${Math.round(result.timeToFirstTokenMs)} ms`,
    `on ${result.engineId}`,
    held,
  ].join(', ');
};

const secondsLeft = (expiresAt: Date, nowMs: number): string =>
  `for ${(Math.max(0, expiresAt.getTime() - nowMs) / 1_000).toFixed(1)} s`;
