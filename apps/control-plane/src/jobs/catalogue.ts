/**
 * Every kind of deferred work of the service: the one place that knows names, payloads, attempts, backoff and ids. Work on
 * stored chunks is in chunk-catalogue.ts.
 */
import type { JobCatalogue } from '@holdfast/jobs';
import { millis, seconds } from '@holdfast/scheduling';
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** Queue of the service's own work. */
export const SERVICE_QUEUE = 'holdfast';

const micros = z.int().min(0);

/** A candidate beside the active policy, on what was recorded of a pool in a window. */
const dryRunPayload = z.object({
  poolId: z.string().min(1),
  candidate: z.string().min(1),
  active: z.string().min(1),
  fromMicros: micros,
  toMicros: micros,
  dispatchWindow: z.int().min(1),
  /** KV blocks of each engine of the pool; null where it does not tell. */
  engines: z.array(z.object({ totalBlocks: z.int().min(1).nullable() })).min(1),
});

export type DryRunPayload = z.output<typeof dryRunPayload>;

/** When it was asked for; null by the schedule. */
const refitPayload = z.object({ askedAtMicros: micros.nullable() });

const nothing = z.object({});
type Nothing = z.output<typeof nothing>;

/** Payload of each kind. */
export interface ServicePayloads {
  readonly 'decision-roll-up': Nothing;
  readonly 'row-retention': Nothing;
  readonly 'program-expiry': Nothing;
  readonly 'predictor-refit': z.output<typeof refitPayload>;
  readonly 'policy-dry-run': DryRunPayload;
}

const minutes = (count: number): ReturnType<typeof seconds> => seconds(60 * count);
const often = { attempts: 5, backoff: millis(2_000), timeLimit: minutes(2), payload: nothing, idOf: () => 'now' };

/** See the file header. */
export const serviceCatalogue: JobCatalogue<ServicePayloads> = {
  'decision-roll-up': {
    ...often,
    summary: 'counts the decisions of each hour that is over',
    schedule: { every: minutes(10), payload: {} },
  },
  'row-retention': {
    ...often,
    summary: 'deletes rows that are older than HOLDFAST_KEEP_PROGRAMS and HOLDFAST_KEEP_EVENTS allow',
    schedule: { every: minutes(15), payload: {} },
  },
  'program-expiry': {
    ...often,
    summary: 'times out programs that were silent too long in a pool that nobody schedules',
    schedule: { every: minutes(1), payload: {} },
  },
  'predictor-refit': {
    ...often,
    timeLimit: minutes(5),
    summary: 'learns tool durations anew from the recorded tool calls, without those that an operator had forgotten',
    payload: refitPayload,
    idOf: ({ askedAtMicros }) => String(askedAtMicros ?? 'now'),
    schedule: { every: minutes(60), payload: { askedAtMicros: null } },
  },
  'policy-dry-run': {
    summary: 'replays recorded programs under a candidate policy and the active one',
    payload: dryRunPayload,
    idOf: (payload) => createHash('sha256').update(JSON.stringify(payload)).digest('hex').slice(0, 32),
    attempts: 3,
    backoff: millis(1_000),
    timeLimit: minutes(10),
  },
};
