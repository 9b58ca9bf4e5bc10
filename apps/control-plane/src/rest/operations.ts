/** The table of all operations: their paths, roles and schemas. Requests, the document and the tests read it. */
import type { Operation } from './operation.js';
import { auditOperations } from './operations/audit.js';
import { chunkOperations } from './operations/chunks.js';
import { historyOperations } from './operations/history.js';
import { jobOperations } from './operations/jobs.js';
import { keyOperations } from './operations/keys.js';
import { pinOperations } from './operations/pins.js';
import { policyOperations } from './operations/policies.js';
import { poolOperations } from './operations/pools.js';
import { programOperations } from './operations/programs.js';
import { toolOperations } from './operations/tools.js';
import { tenantOperations } from './operations/tenants.js';

export const operations: readonly Operation[] = [
  ...programOperations,
  ...historyOperations,
  ...pinOperations,
  ...poolOperations,
  ...policyOperations,
  ...toolOperations,
  ...jobOperations,
  ...chunkOperations,
  ...tenantOperations,
  ...keyOperations,
  ...auditOperations,
];
