import { instant, micros, seconds, type Instant } from '@holdfast/scheduling';
import type { RecordedProgram, RecordedTurn } from '../lab/workload.js';

/** What a trace says of one model call. */
export interface CallRecord {
  readonly promptTokens: number;
  /** Leading prompt tokens known to equal the context; the builder keeps it within what is possible. */
  readonly sharedTokens: number;
  readonly outputTokens: number;
}

/** Builds one recorded program, call by call. A gap belongs to the call before it. */
export class ProgramBuilder {
  readonly #turns: RecordedTurn[] = [];
  #contextTokens = 0;
  #arrivedAt: Instant | null = null;

  constructor(
    readonly programId: string,
    readonly programClass: string,
  ) {}

  /** Pure. Prompt and answer of the latest call; 0 before the first. */
  get contextTokens(): number {
    return this.#contextTokens;
  }

  /** Pure. */
  get turns(): number {
    return this.#turns.length;
  }

  /** Modifies state. When the program arrived, from any origin that is the same for the whole trace. */
  arrived(atSeconds: number): void {
    this.#arrivedAt = instant(atSeconds * 1e6);
  }

  /** Modifies state. What passes between the latest call and the next; a tool that runs, or a person who answers. */
  gap(lengthSeconds: number, tool?: string): void {
    const last = this.#turns.at(-1);
    if (last === undefined) return;
    const { promptTokens, sharedTokens, outputTokens } = last;
    const named = tool === undefined ? {} : { tool };
    this.#turns[this.#turns.length - 1] = {
      promptTokens,
      sharedTokens,
      outputTokens,
      gap: seconds(lengthSeconds),
      ...named,
    };
  }

  /** Modifies state. A prompt has at least one token that is not in the context, and an answer at least one. */
  call({ promptTokens, sharedTokens, outputTokens }: CallRecord): void {
    const prompt = Math.max(1, promptTokens);
    const output = Math.max(1, outputTokens);
    const shared = Math.max(0, Math.min(sharedTokens, this.#contextTokens, prompt - 1));
    this.#turns.push({ promptTokens: prompt, sharedTokens: shared, outputTokens: output, gap: micros(0) });
    this.#contextTokens = prompt + output;
  }

  /** Pure. */
  build(): RecordedProgram {
    const { programId, programClass } = this;
    const arrival = this.#arrivedAt === null ? {} : { arrivedAt: this.#arrivedAt };
    return { programId, programClass, turns: [...this.#turns], ...arrival };
  }
}
