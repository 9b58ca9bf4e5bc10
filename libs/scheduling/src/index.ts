export type { EngineCapabilities, EngineDescription, EngineLoad, PrefillCost } from './model/engine.js';
export { prefillSeconds } from './model/engine.js';
export type { EngineEpoch, EngineId, ProgramId, ToolCallId, TurnId } from './model/ids.js';
export type { Duration, Instant } from './model/units.js';
export { after, between, instant, micros, millis, seconds, toMillisCeil, toSeconds } from './model/units.js';
export type * from './kernel/event.js';
export type * from './kernel/command.js';
export type { Decision, DecisionOutcome } from './kernel/decision.js';
export { fitStatistics, initialStatistics, type RecordedToolCall } from './kernel/statistics.js';
export { RecentDurations } from './statistics/recent-durations.js';
export type { Saved, SavedParts, StatisticsDocument } from './statistics/saved.js';
export { createKernel, type Kernel } from './kernel/kernel.js';
export type { KernelOptions } from './kernel/context.js';
export type { KernelCounters } from './kernel/state.js';
export type { EngineView, KernelView, ProgramView } from './kernel/view.js';
export type { EngineFacts, PolicyFact, ProgramFacts, TurnFacts } from './policy/facts.js';
export type {
  DurationForecast,
  DurationKey,
  DurationNews,
  DurationPredictor,
} from './prediction/duration-predictor.js';
export { toolOfClass } from './prediction/duration-predictor.js';
export { ToolDurations } from './prediction/tool-durations.js';
export { parsePolicy, policyNames, type PolicyProfile } from './policy/registry.js';
export { PolicySpecError } from './policy/parameters.js';
