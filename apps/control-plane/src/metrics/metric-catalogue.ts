/**
 * Every metric that the service exports, in the order of its page. Names end in their unit; durations of programs,
 * turns, tools and pins are seconds of the service's time, which is real time unless HOLDFAST_TIME_SCALE says otherwise.
 * Labels have few values, known in advance: no tenant, no program, no tool.
 */

/** What a metric is. */
export interface MetricDescription {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram, in the unit of its name. */
  readonly buckets?: readonly number[];
}

const shortSeconds = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1];
const waitSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const longSeconds = [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800];
const toolSeconds = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800];
const ratios = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16];

/** Metrics of Holdfast itself. The process's own (`process_*`, `nodejs_*`) are those of prom-client. */
export const metricCatalogue = {
  holdfast_program_completion_seconds: {
    type: 'histogram',
    help: 'Time from the start of a program to its end (JCT), by outcome: completed, failed, timedOut.',
    labels: ['outcome'],
    buckets: longSeconds,
  },
  holdfast_turn_first_token_seconds: {
    type: 'histogram',
    help: 'Time from the submission of a turn to its first output token (TTFT).',
    buckets: waitSeconds,
  },
  holdfast_turn_queue_wait_seconds: {
    type: 'histogram',
    help: 'Time from the submission of a turn to its last dispatch to an engine.',
    buckets: waitSeconds,
  },
  holdfast_turns_ended_total: {
    type: 'counter',
    help: 'Turns that ended, by outcome: finished, failed, cancelled.',
    labels: ['outcome'],
  },
  holdfast_turn_failures_total: {
    type: 'counter',
    help: 'Turns that ended without an answer, by the reason their caller was told.',
    labels: ['reason'],
  },
  holdfast_prompt_tokens_total: {
    type: 'counter',
    help:
      'Prompt tokens of finished turns, by source: cached (found in the KV cache), recomputed (computed before for the ' +
      'same program and lost), new (never computed before).',
    labels: ['source'],
  },
  holdfast_chunk_tokens_total: {
    type: 'counter',
    help: "Tokens of turns' chunks, by work: reused (stored KV as it was), recomputed (of reused chunks), computed (in full).",
    labels: ['work'],
  },
  holdfast_chunk_shadow_runs_total: {
    type: 'counter',
    help: 'Turns whose answer was compared with a full recompute.',
  },
  holdfast_chunk_shadow_loss_nats_total: {
    type: 'counter',
    help: 'Sum of the mean divergences (KL, nats a token) that shadow runs measured.',
  },
  holdfast_chunk_variants_removed_total: {
    type: 'counter',
    help: 'Stored chunks that left, by reason: evicted, sibling, quota, invalidated, engine, corrupt.',
    labels: ['reason'],
  },
  holdfast_output_tokens_total: { type: 'counter', help: 'Output tokens of finished turns.' },
  holdfast_pins_set_total: { type: 'counter', help: 'Pins that were set.' },
  holdfast_pins_ended_total: {
    type: 'counter',
    help: 'Pins that ended, by outcome: hit, expired, revoked, released, lost.',
    labels: ['outcome'],
  },
  holdfast_pinned_token_seconds_total: {
    type: 'counter',
    help: 'Tokens of ended pins times the seconds they were held, by use: used (the pin was hit), wasted (it was not).',
    labels: ['use'],
  },
  holdfast_tool_call_seconds: {
    type: 'histogram',
    help: 'Duration of tool calls whose end was reported, by outcome: succeeded, failed, cancelled.',
    labels: ['outcome'],
    buckets: toolSeconds,
  },
  holdfast_tool_call_prediction_ratio: {
    type: 'histogram',
    help: 'Duration of a tool call divided by the median that was predicted at its begin; 1 is a hit.',
    buckets: ratios,
  },
  holdfast_decisions_total: {
    type: 'counter',
    help: 'Decisions of the scheduler, by kind (dispatch, retention, rejection) and choice.',
    labels: ['kind', 'choice'],
  },
  holdfast_loop_step_seconds: {
    type: 'histogram',
    help: 'Real time in which the scheduler loop handled one event and set its commands going.',
    buckets: shortSeconds,
  },
  holdfast_rpcs_total: {
    type: 'counter',
    help: 'gRPC calls that ended, by method and status code.',
    labels: ['method', 'code'],
  },
  holdfast_http_requests_total: {
    type: 'counter',
    help: 'HTTP requests that ended, by method, route and status code.',
    labels: ['method', 'route', 'code'],
  },
  holdfast_http_request_seconds: {
    type: 'histogram',
    help: 'Real time of HTTP requests, a streamed answer to its end, by route.',
    labels: ['route'],
    buckets: waitSeconds,
  },
  holdfast_check: {
    type: 'gauge',
    help: '1 when a condition of readiness holds, by check: listening, accepting, engines, storage.',
    labels: ['check'],
  },
  holdfast_lease_held: { type: 'gauge', help: '1 while this replica holds the lease of its pool.' },
  holdfast_engine_up: { type: 'gauge', help: '1 while an engine is attached, by engine.', labels: ['engine'] },
  holdfast_engine_kv_blocks: {
    type: 'gauge',
    help: 'KV blocks of an attached engine, by state: active, pinned, evictable, free; as last observed.',
    labels: ['engine', 'state'],
  },
  holdfast_engine_turns: {
    type: 'gauge',
    help: 'Turns at an attached engine, by state: running (first token is there), prefilling (dispatched, none yet).',
    labels: ['engine', 'state'],
  },
  holdfast_programs_live: { type: 'gauge', help: 'Programs that have started and not ended.' },
  holdfast_turns_waiting: {
    type: 'gauge',
    help: 'Turns that wait in the service, by queue: queued (for an engine), deferred (kept aside by the policy).',
    labels: ['queue'],
  },
  holdfast_pins_held: { type: 'gauge', help: 'Pins that are held now.' },
  holdfast_jobs: {
    type: 'gauge',
    help: 'Jobs, by state: waiting, delayed, active, completed, deadLetter. Absent while their store does not answer.',
    labels: ['state'],
  },
  holdfast_job_run_seconds: {
    type: 'histogram',
    help: 'Runs of jobs that ended in this process, by job and outcome: done, failed (to be tried again), deadLetter.',
    labels: ['job', 'outcome'],
    buckets: toolSeconds,
  },
  holdfast_journal_rows: { type: 'gauge', help: 'Rows that wait to be written to PostgreSQL.' },
  holdfast_spans_total: {
    type: 'counter',
    help: 'Ended spans, by what became of them: exported, dropped (too many waited), failed (the receiver refused).',
    labels: ['result'],
  },
  holdfast_spans_waiting: { type: 'gauge', help: 'Ended spans that wait for their export.' },
} as const satisfies Readonly<Record<string, MetricDescription>>;

/** Name of a metric of Holdfast. */
export type MetricName = keyof typeof metricCatalogue;
