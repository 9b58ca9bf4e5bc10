/** How rows become columns. A field without a column does not compile; an int spec compares this with the database. */
import { type RowKeys, type Rows, type TableName } from '../model/rows.js';
import { tokenIdsToBytes } from '../model/token-ids.js';

/** One column. */
export interface Column {
  readonly name: string;
  readonly sqlType: string;
  /** The value as JSON that PostgreSQL reads as `sqlType`. */
  readonly encode: (value: unknown) => unknown;
}

/** One table. */
export interface Table<Name extends TableName = TableName> {
  readonly sqlName: string;
  readonly columns: { readonly [Field in keyof Required<Rows[Name]>]: Column };
  readonly keys: readonly RowKeys[Name][];
  /** Columns of the writer's lease: all are stored, `key` ones are part of the primary key. */
  readonly lease?: { readonly poolId: 'key'; readonly fencingToken: 'key' | 'stored' };
}

const unchanged = (value: unknown): unknown => value;
const hex = (bytes: Uint8Array): string =>
  `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;

const column =
  (sqlType: string, encode = unchanged) =>
  (name: string): Column => ({ name, sqlType, encode });
const text = column('text');
const int = column('integer');
const bigint = column('bigint');
const bool = column('boolean');
const json = column('jsonb');
const bytes = column('bytea', (value) => (value instanceof Uint8Array ? hex(value) : value));
const tokenIds = column('bytea', (value) => (value instanceof Uint32Array ? hex(tokenIdsToBytes(value)) : value));
const oneOf = (sqlType: string): ((name: string) => Column) => column(sqlType);

const program: Table<'program'> = {
  sqlName: 'program',
  keys: ['programId'],
  columns: {
    programId: text('program_id'),
    poolId: text('pool_id'),
    tenantId: text('tenant_id'),
    name: text('name'),
    model: text('model'),
    programClass: text('program_class'),
    parentId: text('parent_id'),
    state: oneOf('program_state')('state'),
    priority: int('priority'),
    expectedTurns: int('expected_turns'),
    expectedTokens: bigint('expected_tokens'),
    idleLimit: bigint('idle_limit_micros'),
    startedAt: bigint('started_at_micros'),
    lastActiveAt: bigint('last_active_at_micros'),
    endedAt: bigint('ended_at_micros'),
    endMessage: text('end_message'),
    turnsFinished: int('turns_finished'),
    toolCallsEnded: int('tool_calls_ended'),
    contextTokens: int('context_tokens'),
    promptTokens: bigint('prompt_tokens'),
    cachedTokens: bigint('cached_tokens'),
    outputTokens: bigint('output_tokens'),
    recomputedTokens: bigint('recomputed_tokens'),
    engineId: text('engine_id'),
    traceparent: text('traceparent'),
  },
};

const turn: Table<'turn'> = {
  sqlName: 'turn',
  keys: ['turnId'],
  columns: {
    turnId: text('turn_id'),
    programId: text('program_id'),
    ordinal: int('ordinal'),
    requestId: text('request_id'),
    bodyDigest: bytes('body_digest'),
    state: oneOf('turn_state')('state'),
    inputKind: oneOf('turn_input_kind')('input_kind'),
    isLast: bool('is_last'),
    keepTokens: int('keep_tokens'),
    appendedIds: tokenIds('appended_ids'),
    outputIds: tokenIds('output_ids'),
    outputLogprobs: bytes('output_logprobs'),
    messages: json('messages'),
    outputText: text('output_text'),
    promptTokens: int('prompt_tokens'),
    cachedTokens: int('cached_tokens'),
    outputTokens: int('output_tokens'),
    recomputedTokens: int('recomputed_tokens'),
    finishReason: oneOf('finish_reason')('finish_reason'),
    engineId: text('engine_id'),
    submittedAt: bigint('submitted_at_micros'),
    dispatchedAt: bigint('dispatched_at_micros'),
    startedAt: bigint('started_at_micros'),
    finishedAt: bigint('finished_at_micros'),
    failureReason: text('failure_reason'),
    failureMessage: text('failure_message'),
  },
};

const toolCall: Table<'toolCall'> = {
  sqlName: 'tool_call',
  keys: ['programId', 'toolCallId'],
  columns: {
    programId: text('program_id'),
    toolCallId: text('tool_call_id'),
    tool: text('tool'),
    commandClass: text('command_class'),
    timeout: bigint('timeout_micros'),
    beganAt: bigint('began_at_micros'),
    endedAt: bigint('ended_at_micros'),
    outcome: oneOf('tool_call_outcome')('outcome'),
  },
};

const pin: Table<'pin'> = {
  sqlName: 'pin',
  keys: ['pinId'],
  columns: {
    pinId: text('pin_id'),
    programId: text('program_id'),
    engineId: text('engine_id'),
    engineEpoch: text('engine_epoch'),
    pinnedTokens: int('pinned_tokens'),
    setAt: bigint('set_at_micros'),
    expiresAt: bigint('expires_at_micros'),
    endedAt: bigint('ended_at_micros'),
    outcome: oneOf('pin_outcome')('outcome'),
    reason: text('reason'),
  },
};

const decision: Table<'decision'> = {
  sqlName: 'decision',
  keys: ['decisionId'],
  lease: { poolId: 'key', fencingToken: 'key' },
  columns: {
    decisionId: int('decision_id'),
    at: bigint('at_micros'),
    kind: oneOf('decision_kind')('kind'),
    policy: text('policy'),
    programId: text('program_id'),
    turnId: text('turn_id'),
    engineId: text('engine_id'),
    choice: text('choice'),
    reason: text('reason'),
    inputs: json('inputs'),
    lowering: text('lowering'),
    outcome: oneOf('pin_outcome')('outcome'),
    outcomeAt: bigint('outcome_at_micros'),
  },
};

const poolEvent: Table<'poolEvent'> = {
  sqlName: 'pool_event',
  keys: ['sequence'],
  lease: { poolId: 'key', fencingToken: 'stored' },
  columns: { sequence: bigint('sequence'), at: bigint('at_micros'), event: json('event') },
};

const request: Table<'request'> = {
  sqlName: 'request',
  keys: ['scope', 'requestId'],
  columns: {
    scope: text('scope'),
    requestId: text('request_id'),
    bodyDigest: bytes('body_digest'),
    result: bytes('result'),
    recordedAt: bigint('recorded_at_micros'),
  },
};

/** All tables, parents before children: a batch writes them in this order. */
export const tables: { readonly [Name in TableName]: Table<Name> } = {
  program,
  turn,
  toolCall,
  pin,
  decision,
  poolEvent,
  request,
};
