import type { SpanExportStats } from '@holdfast/platform';
import type { EngineView, KernelView } from '@holdfast/scheduling';
import type { ControlPlaneStatus } from '../lifecycle/control-plane.js';
import type { ServiceMetrics } from './service-metrics.js';

/** What is true of the service now, rather than counted. */
export interface ServiceState {
  readonly checks: ControlPlaneStatus;
  readonly isLeaseHeld: boolean;
  /** All configured engines, with whether each is attached. */
  readonly engines: ReadonlyMap<string, boolean>;
  readonly pool: KernelView;
  readonly pinsHeld: number;
  /** Null: their store did not answer in time. */
  readonly jobs: Readonly<Record<string, number>> | null;
  readonly journalRows: number;
  readonly spans: SpanExportStats;
}

/** Modifies `metrics`. */
export const setState = (metrics: ServiceMetrics, state: ServiceState): void => {
  const { checks, pool, spans } = state;
  for (const [check, holds] of Object.entries(checks)) metrics.set('holdfast_check', Number(holds), { check });
  metrics.set('holdfast_lease_held', Number(state.isLeaseHeld));
  metrics.clear('holdfast_engine_up');
  for (const [engine, isUp] of state.engines) metrics.set('holdfast_engine_up', Number(isUp), { engine });
  // What is known of an engine ends with its attachment.
  metrics.clear('holdfast_engine_kv_blocks');
  metrics.clear('holdfast_engine_turns');
  for (const engine of pool.engines) setEngine(metrics, engine);
  metrics.set('holdfast_programs_live', pool.programs);
  metrics.set('holdfast_turns_waiting', pool.queuedTurns, { queue: 'queued' });
  metrics.set('holdfast_turns_waiting', pool.deferredTurns, { queue: 'deferred' });
  metrics.set('holdfast_pins_held', state.pinsHeld);
  metrics.clear('holdfast_jobs');
  for (const [name, jobs] of Object.entries(state.jobs ?? {})) metrics.set('holdfast_jobs', jobs, { state: name });
  metrics.set('holdfast_journal_rows', state.journalRows);
  metrics.clear('holdfast_spans_total');
  metrics.count('holdfast_spans_total', { result: 'exported' }, spans.exportedSpans);
  metrics.count('holdfast_spans_total', { result: 'dropped' }, spans.droppedSpans);
  metrics.count('holdfast_spans_total', { result: 'failed' }, spans.failedSpans);
  metrics.set('holdfast_spans_waiting', spans.queuedSpans);
};

const setEngine = (metrics: ServiceMetrics, view: EngineView): void => {
  const { description, load, inFlightTurns, unstartedTurns } = view;
  const engine = description.engineId;
  metrics.set('holdfast_engine_turns', inFlightTurns - unstartedTurns, { engine, state: 'running' });
  metrics.set('holdfast_engine_turns', unstartedTurns, { engine, state: 'prefilling' });
  if (load === null) return;
  metrics.set('holdfast_engine_kv_blocks', load.activeBlocks, { engine, state: 'active' });
  metrics.set('holdfast_engine_kv_blocks', load.pinnedBlocks, { engine, state: 'pinned' });
  metrics.set('holdfast_engine_kv_blocks', load.evictableBlocks, { engine, state: 'evictable' });
  metrics.set('holdfast_engine_kv_blocks', load.freeBlocks, { engine, state: 'free' });
};
