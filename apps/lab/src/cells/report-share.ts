import type { ShareDone } from './job.js';

const REPORTS = 50;

/** Tells `done` how far a job is, some dozens of times in all; that it is done, its result tells. */
export const reportShare = (finished: number, count: number, done: ShareDone): void => {
  if (finished < count && finished % Math.ceil(count / REPORTS) === 0) done(finished / count);
};
