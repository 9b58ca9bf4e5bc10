import { instant } from '@holdfast/scheduling';
import { ExtentEngine, type StepTimeCoefficients } from '@holdfast/simulation';
import { BLOCK_TOKENS, type EngineRun } from './engine-runs.js';
import { latenciesOf, type Latencies } from './latencies.js';
import type { RecordedRequest } from './recorded-requests.js';

/** Pure. Latencies of the requests, in their order, on a modelled engine without a scheduler in front, as they were run. */
export const simulateRequests = (
  requests: readonly RecordedRequest[],
  run: Pick<EngineRun, 'totalBlocks' | 'maxRunningRequests' | 'tokenBudget'>,
  stepTime: StepTimeCoefficients,
): readonly Latencies[] => {
  const engine = new ExtentEngine({
    totalBlocks: run.totalBlocks,
    blockTokens: BLOCK_TOKENS,
    maxRunningRequests: run.maxRunningRequests,
    tokenBudget: run.tokenBudget,
    maxPinnedFraction: 0,
    stepTime,
    epoch: '1',
  });
  const firstTokenAt = new Map<string, number>();
  const lastTokenAt = new Map<string, number>();
  let arrived = 0;
  for (;;) {
    const nextArrival = requests[arrived]?.arrivedAt ?? Infinity;
    const boundary = engine.boundaryAt ?? Infinity;
    const now = Math.min(boundary, nextArrival);
    if (now === Infinity) break;
    if (boundary === now) {
      const { at, started, finished } = engine.settle();
      for (const turnId of started) firstTokenAt.set(turnId, at);
      for (const { turnId } of finished) lastTokenAt.set(turnId, at);
    }
    for (; requests[arrived]?.arrivedAt === now; arrived += 1) submit(engine, requests[arrived]!);
    if (engine.boundaryAt === null) engine.resume(instant(now));
  }
  return requests.map((request) => {
    const { requestId } = request;
    return latenciesOf(request, {
      firstTokenAt: firstTokenAt.get(requestId) ?? NaN,
      lastTokenAt: lastTokenAt.get(requestId) ?? NaN,
    });
  });
};

const submit = (engine: ExtentEngine, { requestId, promptTokens, outputTokens, arrivedAt }: RecordedRequest): void =>
  engine.submit(
    {
      turnId: requestId,
      programId: requestId,
      promptTokens,
      sharedTokens: 0,
      outputTokens,
      rank: 0,
      bid: 0,
      isLast: true,
    },
    instant(arrivedAt),
  );
