import { writeFileSync } from 'node:fs';
import type { Decision, DecisionOutcome, Instant } from '@holdfast/scheduling';
import type { CellJob } from '../cells/job.js';

interface RecordedDecision extends Decision {
  outcome?: DecisionOutcome;
  resolvedAt?: Instant;
}

/** The decisions of one cell, one JSON object a line, each with its cell and with what became of it. */
export class DecisionFile {
  readonly #decisions = new Map<number, RecordedDecision>();

  constructor(
    private readonly path: string,
    private readonly job: CellJob,
  ) {}

  /** Modifies state. */
  decision(decision: Decision): void {
    this.#decisions.set(decision.decisionId, { ...decision });
  }

  /** Modifies state. */
  resolved(decisionId: number, outcome: DecisionOutcome, resolvedAt: Instant): void {
    const decision = this.#decisions.get(decisionId);
    if (decision !== undefined) Object.assign(decision, { outcome, resolvedAt });
  }

  /** Writes the file. */
  write(): void {
    const { trace, pool, policy, load, seed } = this.job;
    const cell = { trace, engine: pool.engine, engines: pool.engines, policy, load, seed };
    // `policy` of a decision is the rule that chose; of the cell, the profile it belongs to.
    const lines = [...this.#decisions.values()].map(
      ({ policy: rule, ...rest }) => `${JSON.stringify({ ...cell, rule, ...rest })}\n`,
    );
    writeFileSync(this.path, lines.join(''));
  }
}
