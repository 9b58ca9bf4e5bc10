export type { JobBackend, JobStore } from './backend.js';
export { openJobBackend } from './backend.js';
export type { JobCatalogue, JobDefinition, JobHandlers, JobJson, JobRun } from './job-definition.js';
export type { JobListRequest, JobQueueOptions } from './job-queue.js';
export { JobQueue, maxJobPageSize } from './job-queue.js';
export type { JobState, JobView } from './job-view.js';
export { jobStates } from './job-view.js';
export type { EndedRun, JobWorkersOptions } from './job-workers.js';
export { JobWorkers } from './job-workers.js';
