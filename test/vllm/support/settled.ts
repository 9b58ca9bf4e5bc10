import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
const DEADLINE_MS = 60_000;

/** Resolves when the check holds; rejects after a minute. */
export const settled = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`after ${DEADLINE_MS / 1_000} s it still does not hold: ${holds}`);
    await sleep(POLL_MS);
  }
};
