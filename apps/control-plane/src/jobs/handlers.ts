/** How each kind of job is done. What it changes is one effect for one job id, however often it runs. */
import type { JobHandlers, JobRun } from '@holdfast/jobs';
import type {
  EffectScope,
  JobEffects,
  JsonValue,
  PolicyRepository,
  RecordedProgramRepository,
  RowAges,
  StatisticsRepository,
} from '@holdfast/persistence';
import { instant, type Instant } from '@holdfast/scheduling';
import type { DryRunPayload, ServicePayloads } from './catalogue.js';
import { runDryRun } from './dry-run-process.js';
import { programScript } from './dry-run-script.js';
import { refitPools } from './predictor-refit.js';

/** A replay of more turns says no more. */
const MAX_REPLAYED_TURNS = 50_000;

/** What the handlers work with. */
export interface HandlerParts {
  readonly effects: JobEffects;
  readonly statistics: StatisticsRepository;
  readonly policies: PolicyRepository;
  readonly recorded: RecordedProgramRepository;
  /** The service's time. */
  readonly now: () => Instant;
  readonly keep: RowAges;
  /** Profile that dry runs take the speed of engines from. */
  readonly engineProfile: string;
}

/** See the file header. */
export const serviceHandlers = (parts: HandlerParts): JobHandlers<ServicePayloads> => {
  const { effects, now, keep } = parts;
  const once =
    (name: keyof ServicePayloads, effect: (scope: EffectScope) => Promise<JsonValue>) =>
    (_payload: unknown, { jobId }: JobRun): Promise<JsonValue> =>
      effects.once({ jobId, name, at: now() }, effect);
  return {
    'decision-roll-up': once('decision-roll-up', async (scope) => ({ hours: await scope.rollUpDecisions(now()) })),
    'row-retention': once('row-retention', async (scope) => {
      // What is counted may go.
      await scope.rollUpDecisions(now());
      return { ...(await scope.deleteOldRows(now(), keep)) };
    }),
    'program-expiry': once('program-expiry', async (scope) => ({
      programs: [...(await scope.expireSilentPrograms(now()))],
    })),
    'predictor-refit': (_payload, run) => refit(parts, run),
    'policy-dry-run': (payload, run) => dryRun(parts, payload, run),
  };
};

const refit = async (parts: HandlerParts, { jobId, signal }: JobRun): Promise<JsonValue> => {
  const { effects, now } = parts;
  const known = await effects.find(jobId);
  if (known !== undefined) return known;
  const refits = await refitPools(parts, { now: now(), signal });
  return effects.once({ jobId, name: 'predictor-refit', at: now() }, async (scope) => {
    const pools: JsonValue[] = [];
    for (const { poolId, version, calls, document } of refits) {
      const next = { document: document as unknown as JsonValue, savedAt: now() };
      // Statistics that were saved meanwhile know more than these: the next refit is for them.
      if (await scope.replaceStatistics(poolId, version, next)) pools.push({ poolId, calls });
    }
    return { pools };
  });
};

const dryRun = async (parts: HandlerParts, payload: DryRunPayload, { jobId, signal }: JobRun): Promise<JsonValue> => {
  const { effects, now, recorded, engineProfile } = parts;
  const known = await effects.find(jobId);
  if (known !== undefined) return known;
  const { poolId, candidate, active, engines, dispatchWindow } = payload;
  const from = instant(payload.fromMicros);
  const programs = await recorded.inWindow(poolId, { from, to: instant(payload.toMicros) }, MAX_REPLAYED_TURNS);
  const request = {
    policies: [active, candidate],
    engineProfile,
    engines,
    dispatchWindow,
    programs: programs.map((program) => programScript(program, from)),
  };
  const result = await runDryRun(request, signal);
  return effects.once({ jobId, name: 'policy-dry-run', at: now() }, async (scope) => {
    await scope.finishDryRun(jobId, result, now());
    return { programs: programs.length };
  });
};
