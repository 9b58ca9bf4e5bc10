/** A trace file that cannot be read: one line for people, file first. */
export class TraceFileError extends Error {
  override readonly name = 'TraceFileError';

  constructor(
    readonly file: string,
    problem: string,
    options?: { readonly cause: unknown },
  ) {
    super(`${file}: ${problem}`, options);
  }
}
