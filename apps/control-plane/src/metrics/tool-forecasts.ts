import { toSeconds, ToolDurations, toolOfClass, type Duration, type DurationKey } from '@holdfast/scheduling';
import type { OpenToolCall, ProgramFacts } from '../programs/live-program.js';

/**
 * How far off the forecasts of tool durations are: an estimator of the kind that the policies use, asked at each begin
 * and told at each end. It learns from what this process has seen, whatever policy runs.
 */
export class ToolForecasts {
  readonly #durations = new ToolDurations();
  /** Median that was expected, in seconds; of calls that run. */
  readonly #expected = new WeakMap<OpenToolCall, number>();

  /** Modifies state. */
  began(program: ProgramFacts, call: OpenToolCall): void {
    const timeoutSeconds = call.timeout === null ? Infinity : toSeconds(call.timeout);
    this.#expected.set(call, this.#durations.predict(keyOf(program, call), 0, timeoutSeconds).quantile(0.5));
  }

  /** Modifies state. Duration over expected median; null for a call that began in an earlier process. */
  ended(program: ProgramFacts, call: OpenToolCall, duration: Duration): number | null {
    const seconds = toSeconds(duration);
    this.#durations.observe(keyOf(program, call), { fromSeconds: 0, toSeconds: seconds, isOver: true });
    const expectedSeconds = this.#expected.get(call);
    return expectedSeconds === undefined || expectedSeconds <= 0 ? null : seconds / expectedSeconds;
  }

  /** Modifies state. The program has ended. */
  forget({ programId }: ProgramFacts): void {
    this.#durations.forget(programId);
  }
}

const keyOf = ({ tenantId, programClass, programId }: ProgramFacts, call: OpenToolCall): DurationKey => ({
  tenantId,
  programClass,
  programId,
  tool: toolOfClass(call.tool, call.commandClass),
});
