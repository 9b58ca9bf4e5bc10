/** Names of the fields of log lines, so that one thing has one name in all of them. */
export interface LogFields {
  readonly err?: unknown;
  /** Name of a holdfast.errors.v1.Reason. */
  readonly reason?: string;
  readonly programId?: string;
  readonly turnId?: string;
  readonly toolCallId?: string;
  readonly poolId?: string;
  readonly engineId?: string;
  readonly policy?: string;
  readonly fencingToken?: number;
  readonly attempt?: number;
  /** Operations that wait for the database. */
  readonly depth?: number;
  /** Operations that will not be written. */
  readonly lost?: number;
  readonly missingRows?: number;
  readonly pauseMillis?: number;
  readonly tookMillis?: number;
  /** Step of a shutdown. */
  readonly step?: string;
  readonly signal?: string;
}
