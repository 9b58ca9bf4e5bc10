/**
 * What the service counts, as a Prometheus page. Events are counted where they happen, which never waits and never
 * throws; what is a state (queues, engines, the lease) is read when the page is asked for.
 */
import type { program as wire } from '@holdfast/contracts';
import type { EndedRun } from '@holdfast/jobs';
import type { DecisionOutcome, Decision, Instant } from '@holdfast/scheduling';
import { between, toSeconds } from '@holdfast/scheduling';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { PinEntry } from '../persistence/journal.js';
import type { OpenToolCall, ProgramEnd, ProgramFacts } from '../programs/live-program.js';
import type { LiveTurn, TurnResult } from '../turns/live-turn.js';
import type { DomainError } from '@holdfast/platform';
import { metricCatalogue, type MetricDescription, type MetricName } from './metric-catalogue.js';
import { setState, type ServiceState } from './service-state.js';
import { ToolForecasts } from './tool-forecasts.js';

const metricNames = Object.keys(metricCatalogue) as readonly MetricName[];

type Labels = Readonly<Record<string, string>>;

/** See the file header. */
export class ServiceMetrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<MetricName, Counter>();
  readonly #gauges = new Map<MetricName, Gauge>();
  readonly #histograms = new Map<MetricName, Histogram>();
  readonly #forecasts = new ToolForecasts();

  /** `names` are those on the page: of a process that only runs jobs, hardly any. Others are counted nowhere. */
  constructor(names: readonly MetricName[] = metricNames) {
    for (const name of names) this.#make(name, metricCatalogue[name]);
    collectDefaultMetrics({ register: this.#registry });
  }

  /** MIME type of the page. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The page, in Prometheus's text format. Modifies state: the gauges are set to `state`, if there is one. */
  page(state: ServiceState | null): Promise<string> {
    if (state !== null) setState(this, state);
    return this.#registry.metrics();
  }

  /** Modifies state. */
  programEnded(program: ProgramFacts, { outcome, at }: ProgramEnd): void {
    this.observe('holdfast_program_completion_seconds', toSeconds(between(program.startedAt, at)), { outcome });
    this.#forecasts.forget(program);
  }

  /** Modifies state. */
  turnFinished(turn: LiveTurn, { promptTokens, cachedTokens, recomputedTokens }: TurnResult): void {
    const { submittedAt, dispatch, firstTokenAt, output } = turn;
    this.count('holdfast_turns_ended_total', { outcome: 'finished' });
    if (dispatch !== null) {
      this.observe('holdfast_turn_queue_wait_seconds', toSeconds(between(submittedAt, dispatch.at)));
    }
    if (firstTokenAt !== null) {
      this.observe('holdfast_turn_first_token_seconds', toSeconds(between(submittedAt, firstTokenAt)));
    }
    const newTokens = Math.max(0, promptTokens - cachedTokens - recomputedTokens);
    this.count('holdfast_prompt_tokens_total', { source: 'cached' }, cachedTokens);
    this.count('holdfast_prompt_tokens_total', { source: 'recomputed' }, recomputedTokens);
    this.count('holdfast_prompt_tokens_total', { source: 'new' }, newTokens);
    this.count('holdfast_output_tokens_total', {}, output.length);
  }

  /** Modifies state. */
  chunksUsed({ reusedTokens, recomputedTokens, computedTokens, shadowKl }: wire.ChunkUse): void {
    this.count('holdfast_chunk_tokens_total', { work: 'reused' }, reusedTokens);
    this.count('holdfast_chunk_tokens_total', { work: 'recomputed' }, recomputedTokens);
    this.count('holdfast_chunk_tokens_total', { work: 'computed' }, computedTokens);
    if (shadowKl === undefined) return;
    this.count('holdfast_chunk_shadow_runs_total');
    this.count('holdfast_chunk_shadow_loss_nats_total', {}, shadowKl);
  }

  /** Modifies state. */
  turnFailed({ reason }: DomainError): void {
    this.count('holdfast_turns_ended_total', { outcome: reason === 'CALLER_CANCELLED' ? 'cancelled' : 'failed' });
    this.count('holdfast_turn_failures_total', { reason });
  }

  /** Modifies state. */
  pinSet(): void {
    this.count('holdfast_pins_set_total');
  }

  /** Modifies state. */
  pinEnded({ pinnedTokens, setAt }: PinEntry, outcome: DecisionOutcome, at: Instant): void {
    this.count('holdfast_pins_ended_total', { outcome });
    const tokenSeconds = pinnedTokens * toSeconds(between(setAt, at));
    this.count('holdfast_pinned_token_seconds_total', { use: outcome === 'hit' ? 'used' : 'wasted' }, tokenSeconds);
  }

  /** Modifies state. */
  toolCallBegan(program: ProgramFacts, call: OpenToolCall): void {
    this.#forecasts.began(program, call);
  }

  /** Modifies state. */
  toolCallEnded(
    program: ProgramFacts,
    call: OpenToolCall,
    { outcome, at }: { readonly outcome: string; readonly at: Instant },
  ): void {
    const duration = between(call.beganAt, at);
    this.observe('holdfast_tool_call_seconds', toSeconds(duration), { outcome });
    const ratio = this.#forecasts.ended(program, call, duration);
    if (ratio !== null) this.observe('holdfast_tool_call_prediction_ratio', ratio);
  }

  /** Modifies state. */
  jobRunEnded({ job, outcome, seconds }: EndedRun): void {
    this.observe('holdfast_job_run_seconds', seconds, { job, outcome });
  }

  /** Modifies state. */
  decided({ kind, choice }: Decision): void {
    this.count('holdfast_decisions_total', { kind, choice });
  }

  /** Modifies state. */
  count(name: MetricName, labels: Labels = {}, amount = 1): void {
    this.#counters.get(name)?.inc(labels, amount);
  }

  /** Modifies state. */
  observe(name: MetricName, value: number, labels: Labels = {}): void {
    this.#histograms.get(name)?.observe(labels, value);
  }

  /** Modifies state. */
  set(name: MetricName, value: number, labels: Labels = {}): void {
    this.#gauges.get(name)?.set(labels, value);
  }

  /** Modifies state. Forgets all values: of engines that are no longer there, of a count that is kept elsewhere. */
  clear(name: MetricName): void {
    this.#gauges.get(name)?.reset();
    this.#counters.get(name)?.reset();
  }

  #make(name: MetricName, { type, help, labels = [], buckets = [] }: MetricDescription): void {
    const common = { name, help, labelNames: [...labels], registers: [this.#registry] };
    if (type === 'counter') this.#counters.set(name, new Counter(common));
    else if (type === 'gauge') this.#gauges.set(name, new Gauge(common));
    else this.#histograms.set(name, new Histogram({ ...common, buckets: [...buckets] }));
  }
}
