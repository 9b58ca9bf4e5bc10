import type { Instant } from '@holdfast/scheduling';
import type { JsonValue } from './rows.js';

/** A policy with its parameters, as text; never changed. */
export interface PolicyDocumentRow {
  readonly poolId: string;
  /** Counts the pool's documents from 1. */
  readonly version: number;
  /** As `parsePolicy` reads it. */
  readonly policy: string;
  readonly note: string;
  readonly createdAt: Instant;
  /** Key that made it; null for the configuration of the service. */
  readonly createdBy: string | null;
}

/** From when on a pool was scheduled by a document. */
export interface PolicyActivationRow {
  readonly poolId: string;
  /** Counts the pool's activations from 1. */
  readonly sequence: number;
  readonly version: number;
  readonly activatedAt: Instant;
  readonly activatedBy: string | null;
  /** Sequence of the activation that this one undid. */
  readonly undoes: number | null;
}

/** A candidate tried on what was recorded, beside the active policy. */
export interface PolicyDryRunRow {
  readonly jobId: string;
  readonly poolId: string;
  readonly candidate: string;
  readonly active: string;
  readonly fromAt: Instant;
  readonly toAt: Instant;
  readonly requestedAt: Instant;
  readonly requestedBy: string | null;
  readonly finishedAt: Instant | null;
  /** Null until it is done. */
  readonly result: JsonValue;
}
