import { writeFileSync } from 'node:fs';
import type { Arrival, FinishedTurnRecord } from '@holdfast/simulation';
import type { PinSpan } from './pin-ledger.js';

/** A span of the trace event format, which Perfetto and Chrome read: times in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly cat: string;
  readonly ph: 'X' | 'M';
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, string | number>>;
}

const TURNS = 1;
const PINS = 2;

/** One cell as a trace: a process a program, with its turns and tools on one track and its pins on another. */
export class PerfettoFile {
  readonly #events: TraceEvent[] = [];
  readonly #pidOf = new Map<string, number>();
  readonly #finishedAt = new Map<string, number>();

  constructor(
    private readonly path: string,
    arrivals: readonly Arrival[],
  ) {
    for (const [index, { program }] of arrivals.entries()) {
      const pid = index + 1;
      this.#pidOf.set(program.programId, pid);
      this.#name('process_name', program.programId, { pid, tid: 0 });
      this.#name('thread_name', 'turns and tools', { pid, tid: TURNS });
      this.#name('thread_name', 'pins', { pid, tid: PINS });
    }
  }

  /** Modifies state. */
  turn(turn: FinishedTurnRecord): void {
    const { programId, index, engineId, submittedAt, dispatchedAt, startedAt, finishedAt } = turn;
    const pid = this.#pidOf.get(programId)!;
    const before = this.#finishedAt.get(programId);
    const span = (name: string, from: number, to: number, args: TraceEvent['args']): void =>
      this.#span({ name, cat: 'turn', pid, tid: TURNS, ts: from, dur: to - from, args });
    if (before !== undefined) span('tool', before, submittedAt, {});
    span('queue', submittedAt, dispatchedAt, { turn: index });
    const { promptTokens, cachedTokens, recomputedTokens, outputTokens } = turn;
    span('engine queue and prefill', dispatchedAt, startedAt, {
      engineId,
      promptTokens,
      cachedTokens,
      recomputedTokens,
    });
    span('decode', startedAt, finishedAt, { engineId, outputTokens });
    this.#finishedAt.set(programId, finishedAt);
  }

  /** Modifies state. */
  pin({ programId, engineId, tokens, setAt, endedAt, outcome }: PinSpan): void {
    const pid = this.#pidOf.get(programId)!;
    const args = { engineId, tokens, outcome };
    this.#span({ name: `pin ${outcome}`, cat: 'pin', pid, tid: PINS, ts: setAt, dur: endedAt - setAt, args });
  }

  /** Writes the file. */
  write(): void {
    writeFileSync(
      this.path,
      `{"traceEvents":[\n${this.#events.map((event) => JSON.stringify(event)).join(',\n')}\n]}\n`,
    );
  }

  #span(event: Omit<TraceEvent, 'ph'>): void {
    this.#events.push({ ...event, ph: 'X' });
  }

  #name(name: string, value: string, { pid, tid }: { readonly pid: number; readonly tid: number }): void {
    this.#events.push({ name, cat: 'meta', ph: 'M', pid, tid, args: { name: value } });
  }
}
