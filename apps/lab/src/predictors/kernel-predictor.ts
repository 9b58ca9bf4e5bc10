import type { DurationPredictor } from '@holdfast/scheduling';
import type { Contender } from './contender.js';

/** A predictor of the kernel. `hearsOfRunningCalls`: it is told how far calls have come that still run. */
export const kernelPredictor = (
  name: string,
  predictor: DurationPredictor,
  { hearsOfRunningCalls }: { readonly hearsOfRunningCalls: boolean },
): Contender => ({
  name,
  observe: (key, news) => {
    if (hearsOfRunningCalls) predictor.observe(key, news);
    else if (news.isOver) predictor.observe(key, { ...news, fromSeconds: 0 });
  },
  predict: (key, elapsedSeconds) => {
    const distribution = predictor.predict(key, elapsedSeconds);
    return { medianSeconds: distribution.quantile(0.5), distribution };
  },
  forget: (programId) => predictor.forget(programId),
});
