import { build } from 'hdr-histogram-js';

export interface MetricsRow {
  readonly what: string;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

const WARM_UP = 20_000;
const MEASURED = 200_000;
/** Events that the scheduler loop handles in the life of a turn with a tool call, the engine's reports left out. */
const EVENTS_OF_A_TURN = 6;

/** The part of the built service that is measured. */
interface ServiceMetrics {
  turnFinished(turn: object, result: object): void;
  toolCallBegan(program: object, call: object): void;
  toolCallEnded(program: object, call: object, end: object): void;
  pinSet(): void;
  pinEnded(pin: object, outcome: string, at: number): void;
  decided(decision: object): void;
  count(name: string, labels: object): void;
  observe(name: string, value: number): void;
}

const AT = 1_790_000_000_000_000;
const turn = {
  submittedAt: AT,
  dispatch: { at: AT + 20_000 },
  firstTokenAt: AT + 80_000,
  output: { length: 128 },
};
const result = { promptTokens: 4_100, cachedTokens: 4_000, recomputedTokens: 60 };
const pin = { pinnedTokens: 4_228, setAt: AT };
const program = { tenantId: 'default', programClass: 'swe', programId: 'program-1' };

/** Time that counting takes of a turn with a tool call: what it is added to is in the table of turns. */
export const benchMetrics = async (): Promise<MetricsRow> => {
  const built = new URL('../../../apps/control-plane/dist/metrics/service-metrics.js', import.meta.url).href;
  const { ServiceMetrics } = (await import(built)) as { readonly ServiceMetrics: new () => ServiceMetrics };
  const metrics = new ServiceMetrics();
  const histogram = build({ highestTrackableValue: 10_000_000_000, numberOfSignificantValueDigits: 3 });
  for (let index = 0; index < WARM_UP + MEASURED; index += 1) {
    const startedAt = process.hrtime.bigint();
    countTurn(metrics);
    const nanos = Number(process.hrtime.bigint() - startedAt);
    if (index >= WARM_UP) histogram.recordValue(Math.max(1, nanos));
  }
  return {
    what: 'a turn with a tool call and a pin',
    p50Micros: histogram.getValueAtPercentile(50) / 1_000,
    p99Micros: histogram.getValueAtPercentile(99) / 1_000,
  };
};

const countTurn = (metrics: ServiceMetrics): void => {
  const call = { tool: 'bash', commandClass: 'npm test', timeout: null, beganAt: AT };
  for (let index = 0; index < EVENTS_OF_A_TURN; index += 1) metrics.observe('holdfast_loop_step_seconds', 0.000_02);
  for (const choice of ['dispatch', 'pin', 'pin']) metrics.decided({ kind: 'retention', choice });
  for (const method of ['RunTurn', 'BeginToolCall', 'EndToolCall']) {
    metrics.count('holdfast_rpcs_total', { method, code: 'OK' });
  }
  metrics.turnFinished(turn, result);
  metrics.pinSet();
  metrics.toolCallBegan(program, call);
  metrics.toolCallEnded(program, call, { outcome: 'succeeded', at: AT + 3_000_000 });
  metrics.pinEnded(pin, 'hit', AT + 4_000_000);
};
