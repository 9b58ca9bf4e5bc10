/** A trace that cannot be read: where, what was found, what is allowed. One line for people. */
export class TraceError extends Error {
  override readonly name = 'TraceError';

  constructor(
    /** From 1; 0 when the fault has no line (an empty file). */
    readonly lineNumber: number,
    /** Path of the field in the record, e.g. `calls[3].gap_s`; empty when the whole line is at fault. */
    readonly field: string,
    readonly problem: string,
  ) {
    super(`${lineNumber === 0 ? '' : `line ${lineNumber}: `}${field === '' ? '' : `field "${field}" `}${problem}`);
  }
}
