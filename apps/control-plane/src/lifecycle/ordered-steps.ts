import type { Logger } from 'pino';

/** One step of an orderly stop. */
export interface StopStep {
  readonly name: string;
  /** After this long the next step begins all the same. */
  readonly deadlineMs: number;
  readonly run: () => Promise<unknown>;
}

/** Runs the steps one after the other. A step that fails or takes too long is logged, and the rest still runs. */
export const runInOrder = async (steps: readonly StopStep[], logger: Logger): Promise<void> => {
  for (const step of steps) {
    const startedAtMs = performance.now();
    const problem = await runOne(step);
    const fields = { step: step.name, tookMs: Math.round(performance.now() - startedAtMs) };
    if (problem === null) logger.debug(fields, 'stop step done');
    else logger.warn({ ...fields, err: problem }, 'stop step failed');
  }
};

const runOne = async ({ name, deadlineMs, run }: StopStep): Promise<unknown> => {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<Error>((resolve) => {
    timer = setTimeout(() => resolve(new Error(`${name} took longer than ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([run().then(() => null), overdue]);
  } catch (error) {
    return error;
  } finally {
    clearTimeout(timer);
  }
};
