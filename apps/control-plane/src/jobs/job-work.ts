import type { JobHandlers } from '@holdfast/jobs';
import {
  JobEffects,
  PolicyRepository,
  RecordedProgramRepository,
  StatisticsRepository,
  type Database,
} from '@holdfast/persistence';
import type { Clock } from '@holdfast/platform';
import type { Config } from '../config/config.js';
import type { ServicePayloads } from './catalogue.js';
import { serviceHandlers } from './handlers.js';

/** What a process with the role `jobs` does, and how much of it at once. */
export interface JobWork {
  readonly handlers: JobHandlers<ServicePayloads>;
  readonly concurrency: number;
}

/** Pure. */
export const jobWork = (
  config: Config,
  { database, clock }: { readonly database: Database; readonly clock: Clock },
): JobWork => ({
  handlers: serviceHandlers({
    effects: new JobEffects(database),
    statistics: new StatisticsRepository(database),
    policies: new PolicyRepository(database),
    recorded: new RecordedProgramRepository(database),
    now: clock.now,
    keep: { programs: config.HOLDFAST_KEEP_PROGRAMS, events: config.HOLDFAST_KEEP_EVENTS },
    engineProfile: config.HOLDFAST_DRY_RUN_ENGINE,
  }),
  concurrency: config.HOLDFAST_JOB_CONCURRENCY,
});
