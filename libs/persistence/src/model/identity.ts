import type { Instant } from '@holdfast/scheduling';
import type { JsonValue } from './rows.js';

/** What a key may do, least first. */
export const keyRoles = ['agent', 'viewer', 'operator', 'admin'] as const;
export type KeyRole = (typeof keyRoles)[number];

/** Limits of a tenant; null is none. */
export interface TenantLimits {
  readonly maxLivePrograms: number | null;
  readonly turnsPerSecond: number | null;
  /** Tokens whose KV may be pinned at once. */
  readonly maxPinnedTokens: number | null;
}

/** A team: its programs and keys are its own. */
export interface TenantRow extends TenantLimits {
  readonly tenantId: string;
  /** For people. */
  readonly name: string;
  /** Counts its changes from 1. */
  readonly version: number;
  readonly createdAt: Instant;
}

/** An API key. The secret is not here: only its Argon2id hash. */
export interface ApiKeyRow {
  readonly keyId: string;
  /** Public part of the key. */
  readonly prefix: string;
  readonly tenantId: string;
  readonly role: KeyRole;
  /** What it is for, for people. */
  readonly name: string;
  readonly hash: string;
  readonly createdAt: Instant;
  readonly expiresAt: Instant | null;
  readonly revokedAt: Instant | null;
}

/** One change over REST: who, what, whose, when. */
export interface AuditRow {
  readonly entryId: string;
  readonly at: Instant;
  /** Tenant of the key. */
  readonly tenantId: string;
  /** Null without authentication. */
  readonly keyId: string | null;
  readonly role: KeyRole;
  /** Id of the operation. */
  readonly action: string;
  /** What was changed, e.g. `program/prg-1`. */
  readonly target: string;
  /** The tenant whose it is. */
  readonly ofTenant: string;
  readonly details: JsonValue;
  readonly requestId: string;
}

/** An engine that was registered while the service ran. */
export interface RegisteredEngineRow {
  readonly engineId: string;
  readonly poolId: string;
  readonly address: string;
  readonly kvControlAddress: string | null;
  readonly registeredAt: Instant;
}
