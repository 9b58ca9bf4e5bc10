import type { Duration, Instant } from '@holdfast/scheduling';

/** One turn of a recorded program, and what follows it. */
export interface RecordedTurn {
  readonly promptTokens: number;
  /** Leading prompt tokens equal to the program's context before the turn; below `promptTokens`. */
  readonly sharedTokens: number;
  readonly outputTokens: number;
  /** Tool that runs after the turn; absent after the last one, and where people answer instead of a tool. */
  readonly tool?: string;
  /** From the end of this turn to the submission of the next one. */
  readonly gap: Duration;
  /** When the scheduler hears that the tool begins and ends, from the end of the turn. Absent: it has all of the gap. */
  readonly heard?: { readonly began: Duration; readonly ended: Duration };
}

/** A program as it was recorded: what it asks for, whatever the policy. */
export interface RecordedProgram {
  readonly programId: string;
  readonly programClass: string;
  readonly turns: readonly RecordedTurn[];
  /** When it arrived in the recording, from an origin of the trace's own; absent where the trace does not say. */
  readonly arrivedAt?: Instant;
}

/** A recorded program that arrives at a time. */
export interface Arrival {
  readonly program: RecordedProgram;
  readonly at: Instant;
  /** What its client says of its size, right or wrong; absent: nothing. */
  readonly sizeHint?: SizeHint;
  /** It never returns from its last tool call, and nobody ends it. */
  readonly vanishes?: boolean;
  /** Figures of programs leave it out. */
  readonly isLeftOut?: boolean;
}

/** Size of a program in all, as a client may announce it. */
export interface SizeHint {
  readonly expectedTurns: number;
  /** Prompt and output, as far as they must be computed. */
  readonly expectedTokens: number;
}
