import { durationFromProto, program as wire } from '@holdfast/contracts';
import { DomainError } from '@holdfast/platform';
import { micros } from '@holdfast/scheduling';
import { randomUUID } from 'node:crypto';
import { DEFAULT_TENANT } from '../identity/identity.js';
import { scopedId } from '../identity/tenant-ids.js';
import type { CallerTrace } from '../telemetry/caller-trace.js';
import { ProgramTrace } from '../telemetry/program-trace.js';
import { LiveProgram, type ProgramFacts } from './live-program.js';
import { ProgramContext } from './program-context.js';
import { parentOf } from './parent-program.js';
import { noEngineYet, requestIdReused, writesBehind } from './program-errors.js';
import type { ProgramServices } from './program-services.js';
import { liveProgramToProto } from './program-to-proto.js';
import { requestDigest } from './request-digest.js';
import { checkRequest, requestSchemas } from './request-schemas.js';

export { DEFAULT_TENANT };

/** Who starts a program. */
export interface StartCaller extends CallerTrace {
  /** Absent: the default tenant. */
  readonly tenantId?: string;
}

/** Starts under way or just done, by request id, so that a repeated call joins the first. */
export type PendingStarts = Map<string, { readonly bodyDigest: string; readonly answer: Promise<Uint8Array> }>;

/** Registers a program. When it answers, the program is durable. */
export const startProgram = async (
  services: ProgramServices,
  pending: PendingStarts,
  request: wire.StartProgramRequest,
  caller: StartCaller,
): Promise<wire.StartProgramResponse> => {
  checkRequest(requestSchemas.startProgram, request);
  const tenantId = caller.tenantId ?? DEFAULT_TENANT;
  const bodyDigest = requestDigest(wire.StartProgramRequest, request);
  const key = `${tenantId}:${request.requestId}`;
  const joined = pending.get(key);
  if (joined !== undefined) {
    if (joined.bodyDigest !== bodyDigest) throw requestIdReused(request.requestId, 'StartProgram');
    return wire.StartProgramResponse.decode(await joined.answer);
  }
  const answer = start(services, request, { bodyDigest, caller, tenantId });
  pending.set(key, { bodyDigest, answer });
  try {
    return wire.StartProgramResponse.decode(await answer);
  } finally {
    // From here on the database answers a repeated call.
    pending.delete(key);
  }
};

const start = async (
  services: ProgramServices,
  request: wire.StartProgramRequest,
  { bodyDigest, caller, tenantId }: Pick<OpenOptions, 'caller' | 'tenantId'> & { readonly bodyDigest: string },
): Promise<Uint8Array> => {
  const scope = `startProgram:${tenantId}`;
  const earlier = await services.requests.find(scope, request.requestId);
  if (earlier !== undefined) {
    const isSame = Buffer.from(earlier.bodyDigest).toString('hex') === bodyDigest;
    if (!isSame) throw requestIdReused(request.requestId, 'StartProgram');
    return earlier.result ?? new Uint8Array();
  }
  const isUnused = request.programId === '';
  const named = isUnused ? { ...request, programId: `prg-${randomUUID()}` } : request;
  const program = await openProgram(services, named, { caller, tenantId, isUnused });
  const result = wire.StartProgramResponse.encode({
    program: liveProgramToProto(program, services.pool.program(program.programId)),
  }).finish();
  services.journal.request({
    scope,
    requestId: request.requestId,
    bodyDigest,
    result,
    recordedAt: program.facts.startedAt,
  });
  await services.journal.flush();
  return result;
};

/** What a program's request does not say. */
export interface OpenOptions {
  readonly tenantId: string;
  readonly caller: CallerTrace;
  /** The id was just made up: the database need not be asked for it. */
  readonly isUnused: boolean;
}

/** A program to be, with its id as its tenant knows it. */
export type ProgramToOpen = Omit<wire.StartProgramRequest, 'requestId'>;

/**
 * Modifies state: the program is there. It is durable with its first rows, a moment later: for callers to whom a program
 * that was lost with the process is no loss. With an unused id nothing is waited for once the tenant's limits are known.
 *
 * @throws DomainError MODEL_NOT_FOUND, PROGRAM_EXISTS, QUOTA_EXCEEDED; of the parent PROGRAM_NOT_FOUND, PROGRAM_ENDED,
 * FIELD_INVALID; what new work is refused for.
 */
export const openProgram = async (
  services: ProgramServices,
  request: ProgramToOpen,
  { tenantId, caller, isUnused }: OpenOptions,
): Promise<LiveProgram> => {
  const programId = scopedId(tenantId, request.programId);
  await services.quotas.load(tenantId);
  if (!isUnused) await requireUnused(services, programId, request.programId);
  // From here on without a wait: nobody may take the id, or the tenant's last place, in between.
  services.requireOpen();
  if (services.journal.isSaturated) throw writesBehind(services.journal.depth);
  services.quotas.requireProgram(tenantId, services.book.liveOf(tenantId));
  const parent = parentOf(services, request, tenantId);
  const startedAt = services.pool.now();
  const facts: ProgramFacts = {
    programId,
    tenantId,
    name: request.name,
    model: modelOf(services, request.model),
    programClass: request.programClass === '' && parent !== null ? parent.facts.programClass : request.programClass,
    ...(parent === null ? {} : { parentId: parent.programId }),
    startedAt,
    idleLimit:
      request.idleLimit === undefined ? services.limits.idleLimit : micros(durationFromProto(request.idleLimit)),
    ...(request.expectedTurns === undefined ? {} : { expectedTurns: request.expectedTurns }),
    ...(request.expectedTokens === undefined ? {} : { expectedTokens: Number(request.expectedTokens) }),
  };
  const program = new LiveProgram({
    facts,
    trace: ProgramTrace.start(facts, caller),
    context: new ProgramContext(),
    contextTokens: 0,
    lastActiveAt: startedAt,
    isRestored: false,
  });
  services.book.add(program);
  services.pool.post(programStartedEvent(program));
  services.journal.program(program, services.pool.program(facts.programId));
  return program;
};

/** Pure. How the kernel hears of a program, new or taken over. */
export const programStartedEvent = (program: LiveProgram): Parameters<ProgramServices['pool']['post']>[0] => {
  const { programId, tenantId, programClass, startedAt, idleLimit } = program.facts;
  const { parentId, expectedTurns, expectedTokens } = program.facts;
  return {
    type: 'programStarted',
    programId,
    tenantId,
    programClass,
    arrivedAt: startedAt,
    idleLimit,
    contextTokens: program.contextTokens,
    turnsFinished: program.counts.turnsFinished,
    ...(program.priority === 0 ? {} : { priority: program.priority }),
    ...(parentId === undefined ? {} : { parentId }),
    ...(expectedTurns === undefined ? {} : { expectedTurns }),
    ...(expectedTokens === undefined ? {} : { expectedTokens }),
  };
};

const modelOf = (services: ProgramServices, wanted: string): string => {
  const pool = services.pool.engines.model;
  if (pool === null) throw noEngineYet();
  if (wanted === '' || wanted === pool.model) return pool.model;
  throw new DomainError({
    kind: 'notFound',
    reason: 'MODEL_NOT_FOUND',
    message: `no pool serves model ${JSON.stringify(wanted)}; allowed: ${JSON.stringify(pool.model)}, or empty`,
    metadata: { model: wanted },
  });
};

const requireUnused = async (services: ProgramServices, programId: string, given: string): Promise<void> => {
  if (services.book.find(programId) === undefined && (await services.programs.get(programId)) === undefined) {
    // Nobody else may have taken the id while the database was asked.
    if (services.book.find(programId) === undefined) return;
  }
  throw new DomainError({
    kind: 'exists',
    reason: 'PROGRAM_EXISTS',
    message: `a program with the id ${given} exists already`,
    metadata: { programId: given },
  });
};
