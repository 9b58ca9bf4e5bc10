import type { Decision, Instant } from '@holdfast/scheduling';
import type { FinishedTurnRecord } from '@holdfast/simulation';
import type { ChosenPin, ChosenProgram, CloseUp } from './cell-detail.js';
import { rounded } from './percentiles.js';
import type { PinSpan } from './pin-ledger.js';
import { TimeBins } from './time-bins.js';

const BINS = 120;

/** Gathers what a close-up needs while a cell runs. */
export class CloseUpRecorder {
  readonly #turns: FinishedTurnRecord[] = [];
  readonly #pins: PinSpan[] = [];
  readonly #decisions: Decision[] = [];

  constructor(private readonly chosenProgramId: string) {}

  /** Modifies state. */
  turn(turn: FinishedTurnRecord): void {
    this.#turns.push(turn);
  }

  /** Modifies state. */
  pin(span: PinSpan): void {
    this.#pins.push(span);
  }

  /** Modifies state. */
  decision(decision: Decision): void {
    if (decision.programId === this.chosenProgramId && decision.kind === 'retention') this.#decisions.push(decision);
  }

  /** Pure. */
  finish(run: {
    readonly endedAt: Instant;
    readonly poolTokens: number;
    readonly programIds: readonly string[];
  }): CloseUp {
    const binMicros = Math.max(1, Math.ceil(run.endedAt / BINS));
    const queue = new TimeBins(BINS, binMicros);
    for (const { submittedAt, startedAt } of this.#turns) queue.add(submittedAt, startedAt, 1);
    return {
      binSeconds: binMicros / 1e6,
      queueDepth: queue.means(),
      occupancy: this.#occupancy(run.programIds, binMicros),
      poolTokens: run.poolTokens,
      chosen: this.#chosen(),
    };
  }

  #occupancy(programIds: readonly string[], binMicros: number): CloseUp['occupancy'] {
    const byProgram = new Map<string, TimeBins>();
    const binsOf = (programId: string): TimeBins => {
      const bins = byProgram.get(programId) ?? new TimeBins(BINS, binMicros);
      byProgram.set(programId, bins);
      return bins;
    };
    for (const { programId, startedAt, finishedAt, promptTokens } of this.#turns) {
      binsOf(programId).add(startedAt, finishedAt, promptTokens);
    }
    for (const { programId, setAt, endedAt, tokens } of this.#pins) binsOf(programId).add(setAt, endedAt, tokens);
    const occupancy: [number, number][][] = Array.from({ length: BINS }, () => []);
    for (const [program, programId] of programIds.entries()) {
      const means = byProgram.get(programId)?.means() ?? [];
      for (const [bin, tokens] of means.entries()) if (tokens >= 1) occupancy[bin]!.push([program, Math.round(tokens)]);
    }
    return occupancy;
  }

  #chosen(): ChosenProgram {
    const turns = this.#turns.filter(({ programId }) => programId === this.chosenProgramId);
    const origin = turns[0]?.submittedAt ?? 0;
    const since = (at: number): number => rounded((at - origin) / 1e6);
    return {
      programId: this.chosenProgramId,
      turns: turns.map((turn) => ({
        submittedAt: since(turn.submittedAt),
        dispatchedAt: since(turn.dispatchedAt),
        startedAt: since(turn.startedAt),
        finishedAt: since(turn.finishedAt),
        promptTokens: turn.promptTokens,
        cachedTokens: turn.cachedTokens,
        recomputedTokens: turn.recomputedTokens,
        outputTokens: turn.outputTokens,
      })),
      pins: this.#pins
        .filter(({ programId }) => programId === this.chosenProgramId)
        .map(({ setAt, endedAt, outcome, tokens }) => ({
          setAt: since(setAt),
          endedAt: since(endedAt),
          outcome,
          tokens,
          decision: this.#decisionBefore(endedAt, setAt),
        })),
    };
  }

  /** Pure. The decision that set the pin or gave it its last terms, while it lived or before. */
  #decisionBefore(endedAt: Instant, setAt: Instant): ChosenPin['decision'] {
    const made = this.#decisions.filter(({ at, choice }) => choice === 'pin' && (at <= setAt || at < endedAt));
    const last = made.at(-1);
    if (last === undefined) return null;
    const { policy, choice, reason, inputs } = last;
    return { policy, choice, reason, inputs };
  }
}
