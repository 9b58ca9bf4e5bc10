import type { EngineClient } from '@holdfast/engines';

/** What an engine can do, declared where the suite is called: decides which cases are registered. */
export interface EngineClientTraits {
  /** Holds pins; otherwise the cases of an engine without them run. */
  readonly pins: boolean;
  /** Holds soft pins. */
  readonly softPins: boolean;
  /** Takes new ranks for requests that it has. */
  readonly reranks: boolean;
  /** The harness can stop and start the engine. */
  readonly restarts: boolean;
  /** Finds prompts' prefixes again by itself; true when absent. */
  readonly prefixCache?: boolean;
  /** The engine sends its tokenizer. */
  readonly tokenizer: boolean;
}

/**
 * One engine and a client of it. The engine must not be too fast to be seen running: an answer of 2,000 tokens takes a
 * second or more, or does not go on while nobody pulls. It is idle and empty at the beginning.
 */
export interface EngineClientHarness {
  readonly client: EngineClient;
  /** How long an aborted request may still run, milliseconds; 500 when absent. Well below 2,000 tokens. */
  readonly idleWithinMs?: number;
  /** Lets engine time pass. */
  passTime(milliseconds: number): Promise<void>;
  /** Ends the engine as a crash does. Only with the trait `restarts`. */
  stop?(): Promise<void>;
  /** Starts it again after `stop`, on the same address. */
  start?(): Promise<void>;
  dispose(): Promise<void>;
}

/** Starts an engine for one group of cases. */
export type MakeEngineClientHarness = () => Promise<EngineClientHarness>;
