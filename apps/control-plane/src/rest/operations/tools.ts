import { instant } from '@holdfast/scheduling';
import { z } from 'zod';
import { isForgotten, recordedTool } from '../../statistics/recorded-tools.js';
import { changes, reads, type Operation } from '../operation.js';
import { count, tenantId } from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import { scoreTools } from '../tool-forecasts.js';
import { listedTenant, sharedOwner } from '../whose.js';

const tag = 'tools';

/** Calls that are looked at: bounds the work of one request to some tens of milliseconds. */
const RECENT_CALLS = 2_000;
const RECENT_MICROS = 7 * 86_400 * 1_000_000;

const seconds = z.number().min(0);
const quantiles = named(
  'DurationQuantiles',
  z.strictObject({ p10: seconds, p50: seconds, p90: seconds, p99: seconds }),
);
const share = z.number().min(0).max(1);

const toolSchema = named(
  'Tool',
  z.strictObject({
    tool: z.string().meta({ description: 'tool, or tool:command class; empty for gaps without a reported tool.' }),
    tenantId: z.string(),
    calls: count,
    recordedSeconds: quantiles,
    forecastSeconds: quantiles.meta({ description: 'What is expected of the next call.' }),
    shareWithinTwice: share.meta({ description: 'Calls that took between half and twice the median forecast.' }),
    shareWithin80Percent: share.meta({
      description: 'Calls within the 80 % interval of their forecast; 0.8 is right.',
    }),
  }),
);

/** What is known of tools, and how well. */
export const toolOperations: readonly Operation[] = [
  reads({
    id: 'listTools',
    tag,
    path: '/tools',
    summary: 'Tools with their durations: recorded, forecast, and how far the forecasts were off.',
    description: `The estimator of the policies is told the last ${RECENT_CALLS} calls of a week and asked before each.`,
    role: 'viewer',
    params: null,
    query: z.strictObject({
      tenantId: tenantId.optional().meta({ description: "Only this tenant's; for keys that see all." }),
    }),
    answer: named('ToolList', z.strictObject({ callsLookedAt: count, items: z.array(toolSchema) })),
    handle: async ({ services, recordedCalls }, { identity, query }) => {
      const tenant = listedTenant(identity, query.tenantId);
      const since = instant(Math.max(0, services.pool.now() - RECENT_MICROS));
      const recorded = await recordedCalls.endedToolCalls(services.poolId, since, RECENT_CALLS, tenant ?? null);
      const forgotten = await recordedCalls.forgotten(services.poolId);
      const calls = recorded.filter(
        (call) => !isForgotten({ tool: recordedTool(call), endedAt: call.endedAt }, forgotten),
      );
      return { body: { callsLookedAt: calls.length, items: [...scoreTools(calls)] } };
    },
  }),
  changes({
    id: 'resetTools',
    method: 'POST',
    tag,
    path: '/tools/reset',
    summary: 'The policies forget what they have learned: of one tool, or all of tools, queues and turns.',
    description:
      'All is forgotten at once; one tool by a refit without its calls (job predictor-refit), within seconds.',
    role: 'operator',
    isServiceOnly: true,
    params: null,
    query: z.strictObject({
      tool: z.string().min(1).max(200).optional().meta({
        description: 'Only this tool, with its command classes, or this tool:command class. As in `listTools`.',
      }),
    }),
    body: null,
    answer: null,
    handle: async ({ learned, services, jobs }, { query: { tool } }) => {
      const change = { target: `statistics/${services.poolId}`, ofTenant: sharedOwner };
      if (tool === undefined) {
        await learned.reset();
        return { body: null, change };
      }
      await learned.forgetTool(tool);
      await jobs.queue.add('predictor-refit', { askedAtMicros: services.pool.now() });
      return { body: null, change: { ...change, details: { tool } } };
    },
  }),
];
