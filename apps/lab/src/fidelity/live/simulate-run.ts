import { parsePolicy, type DecisionOutcome } from '@holdfast/scheduling';
import { ExtentEngine, simulate, type StepTimeCoefficients } from '@holdfast/simulation';
import type { RecordedRun, ResolvedDecision, TurnTimes } from './recorded-run.js';

/** What the model needs to know of an engine that its description does not say. */
export interface ModelledEngine {
  readonly stepTime: StepTimeCoefficients;
  /** Tokens one step may compute. */
  readonly tokenBudget: number;
  /** Share of the pool that hard pins may take together. */
  readonly maxPinnedFraction: number;
}

/** What the simulator made of a run. */
export type SimulatedRun = Pick<RecordedRun, 'turns' | 'decisions' | 'indexOf'>;

/** Pure. The programs of a live run once more, in virtual time: the same arrivals, gaps, tools and token counts. */
export const simulateRun = (run: RecordedRun, modelled: ModelledEngine): SimulatedRun => {
  const decisions: ResolvedDecision[] = [];
  const outcomes = new Map<number, DecisionOutcome>();
  const turns: TurnTimes[] = [];
  simulate({
    profile: parsePolicy(run.policy),
    engines: run.engines.map((description) => {
      const { totalBlocks, blockTokens, maxRunningRequests, epoch } = description;
      return {
        description,
        engine: new ExtentEngine({ totalBlocks, blockTokens, maxRunningRequests, epoch, ...modelled }),
      };
    }),
    arrivals: run.arrivals,
    dispatchWindow: run.dispatchWindow,
    observer: {
      decision: (decision) => void decisions.push(decision),
      resolved: (decisionId, outcome) => void outcomes.set(decisionId, outcome),
      turnFinished: (turn) => void turns.push(turn),
    },
  });
  const indexOf = new Map<string, number>();
  // The simulator calls the turns of a program P/0, P/1 and so on.
  for (const { turnId } of decisions) {
    if (turnId !== undefined) indexOf.set(turnId, Number(turnId.slice(turnId.lastIndexOf('/') + 1)));
  }
  return {
    turns,
    decisions: decisions.map((decision) => {
      const outcome = outcomes.get(decision.decisionId);
      return outcome === undefined ? decision : { ...decision, outcome };
    }),
    indexOf,
  };
};
