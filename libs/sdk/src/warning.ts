/** Bookkeeping that failed while the work itself went on. */
export interface HoldfastWarning {
  /** What could not be reported: a tool call's begin or end, or the end of a program. */
  readonly kind: 'toolCallNotReported' | 'programNotEnded';
  /** For people. */
  readonly message: string;
  readonly programId: string;
  /** For `toolCallNotReported`. */
  readonly toolCallId?: string;
  /** Why. */
  readonly error: unknown;
}

/** Emits a Node process warning of type HoldfastWarning; Node prints it to stderr unless told otherwise. */
export function warnOnProcess(warning: HoldfastWarning): void {
  process.emitWarning(warning.message, { type: 'HoldfastWarning', code: warning.kind, detail: String(warning.error) });
}
