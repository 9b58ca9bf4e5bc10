import type { ModelPin } from './model-pin.js';

/** Which pressure took a pin: a running request needed a block, a waiting one bid more, or nothing could run. */
export type RevocationReason = 'growth' | 'outbid' | 'stall';

/** What happened to a pin. */
export type PinChange = 'set' | 'renewed' | 'released' | 'expired' | 'revoked' | 'hit';

/** One change of one pin. */
export interface ModelPinEvent {
  readonly type: 'pin';
  readonly change: PinChange;
  /** The pin after the change; before it, when the pin is gone. */
  readonly pin: ModelPin;
  /** Present when the change is `revoked`. */
  readonly reason?: RevocationReason;
}

/** Blocks became available to later prompts: consecutive blocks of one chain. */
export interface KvStoredEvent {
  readonly type: 'stored';
  /** Safe integers, chained over parent and tokens. */
  readonly blockHashes: readonly number[];
  /** Hash of the block before the first one; `null` at the start of a prompt. */
  readonly parentHash: number | null;
  /** Tokens of all these blocks. */
  readonly tokenIds: Uint32Array;
}

/** Blocks were overwritten. */
export interface KvRemovedEvent {
  readonly type: 'removed';
  readonly blockHashes: readonly number[];
}

/** What the model reports through `drainEvents`, in order of occurrence. */
export type ModelEvent = ModelPinEvent | KvStoredEvent | KvRemovedEvent;
