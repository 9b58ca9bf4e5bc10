/**
 * `@holdfast/sdk`: runs agent programs on a Holdfast service. Start with `Holdfast.run`, then `Program.turn` and
 * `Program.tool`.
 */
export type { FieldViolation } from '@holdfast/contracts';
export type { StatusCode } from './errors.js';
export { HoldfastError, ProgramEndedError, ReplayDivergedError, isHoldfastError } from './errors.js';
export type { ListOptions, ReadOptions, StartOptions } from './holdfast.js';
export { Holdfast } from './holdfast.js';
export type { HoldfastOptions, Timeouts, TlsOptions } from './options.js';
export type { Pin, ProgramInfo, ProgramState } from './program-info.js';
export type { EndOptions, Program } from './program.js';
export type { RetryPolicy } from './retry.js';
export type { ToolOptions } from './tool-calls.js';
export type {
  Chunk,
  Message,
  Sampling,
  StructuredOutput,
  TokenIds,
  ToolCall,
  TurnInput,
  TurnOptions,
} from './turn-options.js';
export type { ChunkUse, FinishReason, TokenLogprob, TurnDelta, TurnResult, TurnUsage } from './turn-result.js';
export type { Turn } from './turn.js';
export type { HoldfastWarning } from './warning.js';
