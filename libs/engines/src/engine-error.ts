import type { FieldViolation } from '@holdfast/contracts';
import { DomainError, type ErrorKind, type ReasonName } from '@holdfast/platform';

/** Kind and retry advice of the reasons that an engine call ends with. */
const reasonTable = {
  ENGINE_UNREACHABLE: { kind: 'unavailable', retryable: true },
  ENGINE_DEADLINE: { kind: 'timeout', retryable: true },
  ENGINE_RESTARTED: { kind: 'unavailable', retryable: true },
  ENGINE_PROTOCOL_VIOLATED: { kind: 'internal', retryable: false },
  ENGINE_CAPABILITY_MISSING: { kind: 'precondition', retryable: false },
  EPOCH_STALE: { kind: 'conflict', retryable: false },
  PIN_NOT_FOUND: { kind: 'notFound', retryable: false },
  PIN_CAP_REACHED: { kind: 'exhausted', retryable: false },
  KV_NOT_RESIDENT: { kind: 'precondition', retryable: false },
  FIELD_INVALID: { kind: 'invalid', retryable: false },
  PROMPT_EMPTY: { kind: 'invalid', retryable: false },
  PROMPT_TOO_LONG: { kind: 'invalid', retryable: false },
  TOKEN_OUT_OF_VOCABULARY: { kind: 'invalid', retryable: false },
  MESSAGE_TOO_LARGE: { kind: 'invalid', retryable: false },
  QUEUE_FULL: { kind: 'exhausted', retryable: true },
  CALLER_CANCELLED: { kind: 'cancelled', retryable: false },
} as const satisfies Partial<Record<ReasonName, { readonly kind: ErrorKind; readonly retryable: boolean }>>;

/** The reasons an EngineError can carry: names of holdfast.errors.v1.Reason. */
export type EngineErrorReason = keyof typeof reasonTable;

/** What an {@link EngineError} is made of. */
export interface EngineErrorInit {
  readonly reason: EngineErrorReason;
  /** Names the engine, and for a bad field the field, its value and what is allowed. */
  readonly message: string;
  readonly engineId: string;
  /** Overrides the reason's own advice. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
  readonly fieldViolations?: readonly FieldViolation[];
}

/** A call to an engine failed. */
export class EngineError extends DomainError {
  declare readonly reason: EngineErrorReason;
  readonly engineId: string;
  /** True when the same call, here later or on another engine now, may succeed. */
  readonly retryable: boolean;

  constructor(init: EngineErrorInit) {
    const row = reasonTable[init.reason];
    super({
      kind: row.kind,
      reason: init.reason,
      message: `engine ${init.engineId}: ${init.message}`,
      metadata: { engineId: init.engineId },
      ...(init.cause === undefined ? {} : { cause: init.cause }),
      ...(init.fieldViolations === undefined ? {} : { fieldViolations: init.fieldViolations }),
    });
    this.engineId = init.engineId;
    this.retryable = init.retryable ?? row.retryable;
  }
}

/** Pure. True for a name that an EngineError can carry. */
export const isEngineErrorReason = (name: string): name is EngineErrorReason => Object.hasOwn(reasonTable, name);
