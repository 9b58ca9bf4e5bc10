/** Ids are opaque strings, chosen outside the kernel. Aliases, so that signatures say which id they want. */
export type ProgramId = string;
export type TurnId = string;
export type ToolCallId = string;
export type EngineId = string;
/** Changes whenever an engine restarts. */
export type EngineEpoch = string;
