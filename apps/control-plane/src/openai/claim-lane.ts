/**
 * Which program a request belongs to. In this order: the conversation whose messages it extends; the program or session
 * that its headers name; a program of its own.
 *
 * A session may run several agents at once. A request that extends none of the session's conversations is a compaction
 * of its main one when it begins with the same message and that one is idle; otherwise it is a sibling program.
 */
import { isDomainError } from '@holdfast/platform';
import type { Duration, ProgramId } from '@holdfast/scheduling';
import { durationToProto } from '@holdfast/contracts';
import { randomUUID } from 'node:crypto';
import { scopedId } from '../identity/tenant-ids.js';
import type { ProgramServices } from '../programs/program-services.js';
import { openProgram, type OpenOptions } from '../programs/start-program.js';
import type { ConversationIndex, Lane } from './conversation-index.js';
import type { HttpSpan } from './http-span.js';
import { isProgramId, PROGRAM_HEADER, sessionProgramId, type SessionKey } from './session-key.js';

/** What claims work with. */
export interface LaneContext {
  readonly services: ProgramServices;
  readonly index: ConversationIndex;
  /** Silence after which a program begun here is ended. */
  readonly idleLimit: Duration;
}

/** Who asks, and what was said. */
export interface LaneRequest {
  readonly tenantId: string;
  readonly session: SessionKey | null;
  readonly programClass: string;
  /** Digests of the conversation, message by message; empty for a prompt without messages. */
  readonly chain: readonly string[];
  readonly span: HttpSpan;
}

/** A lane taken for one request; `giveBack` is due at its end. */
export interface LaneClaim {
  readonly lane: Lane;
  /** Leading messages that the program knows; 0 for a whole conversation. */
  readonly knownMessages: number;
  /** Where the conversation stood before; null when that is not known. */
  readonly head: string | null;
}

/**
 * Modifies state: the lane is busy from now on.
 *
 * @throws DomainError as openProgram does.
 */
export const claimLane = async (context: LaneContext, request: LaneRequest): Promise<LaneClaim> => {
  const hit = context.index.take(request.chain);
  if (hit !== null && isIdle(context.services, hit.lane.programId)) return hit;
  if (hit !== null) context.index.giveBack(hit.lane, isLive(context.services, hit.lane.programId) ? hit.head : null);
  const { session } = request;
  const lane = session === null ? await newLane(context, request, '') : await ofSession(context, request, session);
  return { lane, knownMessages: 0, head: null };
};

/** False already while the service puts an ended program away. */
const isLive = ({ book }: ProgramServices, programId: ProgramId): boolean => book.live(programId)?.end === null;

const isIdle = (services: ProgramServices, programId: ProgramId): boolean =>
  isLive(services, programId) && services.book.live(programId)?.turn === null;

const ofSession = async (context: LaneContext, request: LaneRequest, session: SessionKey): Promise<Lane> => {
  const { services, index } = context;
  const first = request.chain[0] ?? '';
  const name = nameOf(services, request.tenantId, session);
  const main = index.ofSession(scopedId(request.tenantId, name));
  if (main === null || !isLive(services, main.programId)) return mainLane(context, request, { name, gone: main });
  // Who names the program means it; who names a session may be another agent of it.
  const isMeant = session.source === PROGRAM_HEADER || main.first === first;
  if (main.isBusy || !isMeant || !isIdle(services, main.programId)) return newLane(context, request, '');
  main.isBusy = true;
  main.first = first;
  return main;
};

/** The program that the header names where the tenant has it, else the one that the name stands for. As the tenant says. */
const nameOf = (services: ProgramServices, tenantId: string, session: SessionKey): string => {
  const isNamed = isProgramId(session) && isLive(services, scopedId(tenantId, session.value));
  return isNamed ? session.value : sessionProgramId(tenantId, session);
};

/** The session's program is not known here: of before a restart, begun by the SDK, ended, or new. */
const mainLane = async (
  context: LaneContext,
  request: LaneRequest,
  { name, gone }: { readonly name: string; readonly gone: Lane | null },
): Promise<Lane> => {
  const { services, index } = context;
  const programId = scopedId(request.tenantId, name);
  const lane = isLive(services, programId)
    ? laneOf(programId, { first: request.chain[0] ?? '', isNamed: true })
    : await newLane(context, request, name);
  if (!isIdle(services, lane.programId)) return newLane(context, request, '');
  // Another request may have been faster.
  if (index.ofSession(programId) === gone) index.setSession(programId, lane);
  return lane;
};

const laneOf = (programId: ProgramId, lane: Pick<Lane, 'first' | 'isNamed'>): Lane => ({
  programId,
  ...lane,
  toolsJson: '',
  openCalls: new Set(),
  isBusy: true,
});

/** `name` is what the tenant calls the program; empty for one that no later request names. */
const newLane = async (context: LaneContext, request: LaneRequest, name: string): Promise<Lane> => {
  const { services, idleLimit } = context;
  const { tenantId, span } = request;
  const open = async (programId: string, id: Pick<OpenOptions, 'isUnused'>): Promise<Lane> => {
    const program = {
      programId,
      name: request.session?.value.slice(0, 200) ?? '',
      model: '',
      programClass: request.programClass,
      parentProgramId: '',
      idleLimit: durationToProto(idleLimit),
    };
    await openProgram(services, program, { tenantId, caller: span.caller(), ...id });
    return laneOf(scopedId(tenantId, programId), { first: request.chain[0] ?? '', isNamed: name !== '' });
  };
  if (name === '') return open(`oai-${randomUUID()}`, { isUnused: true });
  try {
    return await open(name, { isUnused: false });
  } catch (error) {
    // The session's earlier program has ended, or another request was faster: this one goes on under an id of its own.
    if (!isDomainError(error) || error.reason !== 'PROGRAM_EXISTS') throw error;
    return open(`${name}.${randomUUID().slice(0, 8)}`, { isUnused: true });
  }
};
