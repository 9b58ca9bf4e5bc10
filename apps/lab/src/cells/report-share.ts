import type { ShareDone } from './job.js';

const REPORTS = 50;

/** Tells `done` how far a job is, some dozens of times in all. */
export const reportShare = (finished: number, count: number, done: ShareDone): void => {
  if (finished % Math.ceil(count / REPORTS) === 0) done(finished / count);
};
