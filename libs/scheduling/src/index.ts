export type { EngineCapabilities, EngineDescription, EngineLoad, PrefillCost } from './model/engine.js';
export { prefillSeconds } from './model/engine.js';
export type { EngineEpoch, EngineId, ProgramId, ToolCallId, TurnId } from './model/ids.js';
export type { Duration, Instant } from './model/units.js';
export { after, between, instant, micros, millis, seconds, toMillisCeil, toSeconds } from './model/units.js';
export type * from './kernel/event.js';
export type * from './kernel/command.js';
export type { Decision, DecisionOutcome } from './kernel/decision.js';
