import { latenciesOf, type Latencies } from '../latencies.js';
import type { TurnTimes } from './recorded-run.js';

/** Pure. Latencies of the same turns, live and simulated, in order of their live submission. */
export const turnLatencies = (
  live: readonly TurnTimes[],
  simulated: readonly TurnTimes[],
): [measured: readonly Latencies[], modelled: readonly Latencies[]] => {
  const keyOf = ({ programId, index }: TurnTimes): string => `${programId} ${index}`;
  const there = new Map(simulated.map((turn) => [keyOf(turn), turn]));
  return [live.map(toLatencies), live.map((turn) => toLatencies(there.get(keyOf(turn))!))];
};

const toLatencies = ({ submittedAt, startedAt, finishedAt, outputTokens }: TurnTimes): Latencies =>
  latenciesOf({ arrivedAt: submittedAt, outputTokens }, { firstTokenAt: startedAt, lastTokenAt: finishedAt });
