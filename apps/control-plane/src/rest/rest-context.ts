import {
  ApiKeyRepository,
  AuditRepository,
  type Database,
  DecisionRepository,
  PinRepository,
  StatisticsRepository,
  TenantRepository,
  TimelineRepository,
  ToolCallRepository,
} from '@holdfast/persistence';
import { systemClock } from '@holdfast/platform';
import type { Instant } from '@holdfast/scheduling';
import type { ServiceJobs } from '../jobs/service-jobs.js';
import type { PolicyService } from '../policies/policy-service.js';
import type { StatisticsKeeper } from '../statistics/statistics-keeper.js';
import type { RegisteredEngines } from '../engines/registered-engines.js';
import type { Authenticator } from '../identity/authenticator.js';
import type { ProgramServices } from '../programs/program-services.js';

/** What the service brings. */
interface RestParts {
  readonly services: ProgramServices;
  readonly authenticator: Authenticator;
  readonly engines: RegisteredEngines;
  readonly policies: PolicyService;
  readonly learned: StatisticsKeeper;
  readonly jobs: ServiceJobs;
}

/** What the operations work with. */
export interface RestContext extends RestParts {
  readonly tenants: TenantRepository;
  readonly keys: ApiKeyRepository;
  readonly audit: AuditRepository;
  readonly decisions: DecisionRepository;
  readonly toolCalls: ToolCallRepository;
  readonly pins: PinRepository;
  readonly timeline: TimelineRepository;
  readonly recordedCalls: StatisticsRepository;
  /** Keys expire and changes are dated in real time, whatever the service's time scale. */
  readonly wallNow: () => Instant;
}

/** Makes the context. */
export const restContext = ({ database, ...parts }: RestParts & { readonly database: Database }): RestContext => ({
  ...parts,
  tenants: new TenantRepository(database),
  keys: new ApiKeyRepository(database),
  audit: new AuditRepository(database),
  decisions: new DecisionRepository(database),
  toolCalls: new ToolCallRepository(database),
  pins: new PinRepository(database),
  timeline: new TimelineRepository(database),
  recordedCalls: new StatisticsRepository(database),
  wallNow: systemClock().now,
});
