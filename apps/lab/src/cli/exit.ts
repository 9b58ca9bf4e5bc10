import { PolicySpecError } from '@holdfast/scheduling';
import { TraceFileError } from '../trace-files/trace-file-error.js';

/** A command line that cannot be carried out: one line for people. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command was interrupted; the message says what is kept. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const USAGE_CODE = 2;
const INTERRUPTED_CODE = 130;

/** Pure. Exit code of a command that failed: 2 for what the caller can mend, 130 after Ctrl-C, else 1. */
export const exitCodeOf = (error: unknown): number => {
  if (error instanceof Interrupted) return INTERRUPTED_CODE;
  const isUsage = error instanceof UsageError || error instanceof TraceFileError || error instanceof PolicySpecError;
  return isUsage ? USAGE_CODE : 1;
};
