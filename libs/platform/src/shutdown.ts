/**
 * Ordered shutdown: the order is code, not luck. Each step has a deadline, and a step that fails or hangs does not
 * keep the others from running.
 */
import { type Duration, toMillisCeil } from '@holdfast/scheduling';
import type { ErrorLogger } from './errors/grpc-status.js';
import type { LogFields } from './log-fields.js';

/** One step of a shutdown. */
export interface ShutdownStep {
  readonly name: string;
  /** When this has passed, the next step begins all the same. */
  readonly deadline: Duration;
  readonly run: () => Promise<unknown> | unknown;
}

/** How a step went. */
export interface ShutdownOutcome {
  readonly step: string;
  readonly result: 'done' | 'failed' | 'overdue';
}

/** Runs the steps one after the other and says how each went. Never rejects. */
export async function runShutdown(steps: readonly ShutdownStep[], logger: ErrorLogger): Promise<ShutdownOutcome[]> {
  const outcomes: ShutdownOutcome[] = [];
  for (const step of steps) {
    const startMillis = performance.now();
    const { result, err } = await runStep(step);
    const fields: LogFields = { step: step.name, tookMillis: Math.round(performance.now() - startMillis) };
    if (result === 'done') logger.debug(fields, 'shutdown step done');
    else logger.warn({ ...fields, err }, result === 'failed' ? 'shutdown step failed' : 'shutdown step overdue');
    outcomes.push({ step: step.name, result });
  }
  return outcomes;
}

async function runStep({
  run,
  deadline,
}: ShutdownStep): Promise<{ readonly result: ShutdownOutcome['result']; readonly err?: unknown }> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<{ result: 'overdue' }>((resolve) => {
    timer = setTimeout(() => resolve({ result: 'overdue' }), toMillisCeil(deadline));
  });
  const finished = Promise.resolve()
    .then(run)
    .then(
      () => ({ result: 'done' as const }),
      (err: unknown) => ({ result: 'failed' as const, err }),
    );
  const outcome = await Promise.race([finished, overdue]);
  clearTimeout(timer);
  return outcome;
}

/** Where signals come from and where the process ends; `process` itself outside of tests. */
export interface ProcessSignals {
  on(signal: 'SIGTERM' | 'SIGINT', listener: (signal: 'SIGTERM' | 'SIGINT') => void): unknown;
  off(signal: 'SIGTERM' | 'SIGINT', listener: (signal: 'SIGTERM' | 'SIGINT') => void): unknown;
  exit(code: number): void;
}

/** A wait for the end of the service. */
export interface ShutdownSignal {
  /** Resolves with the first signal. */
  readonly received: Promise<'SIGTERM' | 'SIGINT'>;
  /** Stops listening: the signals do again what they did before. */
  stopListening(): void;
}

const exitCodes = { SIGTERM: 143, SIGINT: 130 } as const;

/** Waits for SIGTERM or SIGINT. A second signal exits at once: somebody does not want to wait. */
export function onShutdownSignal(host: ProcessSignals = process): ShutdownSignal {
  let isFirst = true;
  let receive: (signal: 'SIGTERM' | 'SIGINT') => void = () => undefined;
  const received = new Promise<'SIGTERM' | 'SIGINT'>((resolve) => {
    receive = resolve;
  });
  const listener = (signal: 'SIGTERM' | 'SIGINT'): void => {
    if (!isFirst) return host.exit(exitCodes[signal]);
    isFirst = false;
    receive(signal);
  };
  host.on('SIGTERM', listener);
  host.on('SIGINT', listener);
  const stopListening = (): void => {
    host.off('SIGTERM', listener);
    host.off('SIGINT', listener);
  };
  return { received, stopListening };
}
