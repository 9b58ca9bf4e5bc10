export { EngineModel } from './engine/engine-model.js';
export type { EngineModelOptions, HostMemory } from './engine/engine-options.js';
export type {
  KvRemovedEvent,
  KvStoredEvent,
  ModelEvent,
  ModelPinEvent,
  PinChange,
  RevocationReason,
} from './engine/model-event.js';
export type { ModelPin } from './engine/model-pin.js';
export type { ModelRequest } from './engine/model-request.js';
export type { ModelStats } from './engine/model-stats.js';
export type { FinishedRequest, ProducedToken, StepOutcome } from './engine/step-outcome.js';
export type { StepBatch, StepTimeCoefficients } from './profiles/step-time.js';
export { prefillCostOf, prefillPairs, stepMicros } from './profiles/step-time.js';
export type { EngineProfile } from './profiles/engine-profile.js';
export { engineProfile, engineProfileNames } from './profiles/engine-profile.js';
export type { QueuedEvent } from './event-queue.js';
export { EventPriority, EventQueue } from './event-queue.js';
export { RandomStream, RandomStreams } from './random-streams.js';
export { VirtualClock } from './virtual-clock.js';
export { ExtentEngine } from './extent-engine/extent-engine.js';
export type {
  Boundary,
  EngineTotals,
  FinishedTurn,
  SimulatedEngine,
  SimulatedTurn,
} from './extent-engine/simulated-engine.js';
export { simulate } from './lab/simulate.js';
export type { PoolEngine, SimulationOptions, SimulationResult } from './lab/simulate.js';
export type { FinishedTurnRecord, ProgramRecord, SimulationObserver } from './lab/observer.js';
export type { Arrival, RecordedProgram, RecordedTurn, SizeHint } from './lab/workload.js';
export type { ArrivalPlan } from './lab/plan-arrivals.js';
export { planArrivals, planBacklog } from './lab/plan-arrivals.js';
export { planRecordedArrivals, recordedRate } from './lab/recorded-arrivals.js';
export { withSizeHints } from './lab/size-hints.js';
export type { Disturbance } from './lab/disturbance.js';
export { DisturbanceError, DISTURBANCES, parseDisturbance } from './lab/disturbance.js';
export { backlogThroughput } from './lab/backlog-throughput.js';
export type { EngineAbilities, PoolOptions } from './lab/pool.js';
export { createPool, ENGINE_ABILITIES, poolBlocks } from './lab/pool.js';
export type { ProgramLimits } from './trace/limit-program.js';
export { limitProgram } from './trace/limit-program.js';
export { ragpulseLength } from './trace/ragpulse-format.js';
export { TraceError } from './trace/trace-error.js';
export type { TraceFormat } from './trace/trace-parser.js';
export type { TraceReaderOptions } from './trace/trace-reader.js';
export { TraceReader } from './trace/trace-reader.js';
export type { Foreknowledge, PolicySetup } from './bounds/policy-setup.js';
export { boundNames, infinitePinSpec, policySetup } from './bounds/policy-setup.js';
export type { Distribution } from './lab/distribution.js';
export { distributionOf } from './lab/distribution.js';
