import { program as wire, timestampFromProto } from '@holdfast/contracts';
import { invalidFields } from '@holdfast/platform';
import type { Page, ProgramFilter, ProgramRow, StoredProgramState } from '@holdfast/persistence';
import { instant, type ProgramId } from '@holdfast/scheduling';
import type { Writable } from 'node:stream';
import { programNotFound } from './program-errors.js';
import { programRowOf } from './program-row.js';
import type { ProgramServices } from './program-services.js';
import { liveProgramToProto, programRowToProto, statesFromProto } from './program-to-proto.js';
import { checkRequest, requestSchemas } from './request-schemas.js';

const DEFAULT_PAGE_SIZE = 50;
const liveStates: readonly StoredProgramState[] = ['idle', 'queued', 'running', 'toolCall'];

/** One program, as it is now. */
export const getProgram = async (
  services: ProgramServices,
  request: wire.GetProgramRequest,
): Promise<wire.GetProgramResponse> => {
  checkRequest(requestSchemas.getProgram, request);
  const live = inMemory(services, request.programId);
  if (live !== undefined) return { program: live };
  const row = await services.programs.get(request.programId);
  if (row === undefined) throw programNotFound(request.programId);
  return { program: programRowToProto(row) };
};

/** A program as it is now; undefined when nobody ever had one of this id. */
export const currentProgramRow = async (
  services: ProgramServices,
  programId: ProgramId,
): Promise<ProgramRow | undefined> => rowInMemory(services, programId) ?? (await services.programs.get(programId));

/** Which programs to list. */
export type CurrentProgramFilter = Pick<
  ProgramFilter,
  'pageSize' | 'pageToken' | 'states' | 'startedAfter' | 'tenantId'
>;

/** A page of programs, newest first. Which programs there are comes from the database, where they stand from memory. */
export const listCurrentPrograms = async (
  services: ProgramServices,
  filter: CurrentProgramFilter,
): Promise<Page<ProgramRow>> => {
  const wanted = filter.states ?? [];
  const items: ProgramRow[] = [];
  let pageToken = filter.pageToken ?? '';
  // Rows whose state has moved on since it was stored drop out, so a page may take more than one read. The next page
  // starts where a read ended, so a read asks for no more than the page still needs.
  do {
    const page = await services.programs.list({
      ...filter,
      states: storedStates(wanted),
      pageSize: filter.pageSize - items.length,
      pageToken,
    });
    for (const stored of page.items) {
      const row = rowInMemory(services, stored.programId) ?? stored;
      if (wanted.length === 0 || wanted.includes(row.state)) items.push(row);
    }
    pageToken = page.nextPageToken ?? '';
  } while (items.length < filter.pageSize && pageToken !== '');
  return pageToken === '' ? { items } : { items, nextPageToken: pageToken };
};

/** The rpc: a page of the caller's programs. */
export const listPrograms = async (
  services: ProgramServices,
  request: wire.ListProgramsRequest,
  tenantId: string,
): Promise<wire.ListProgramsResponse> => {
  checkRequest(requestSchemas.listPrograms, request);
  const { items, nextPageToken } = await listCurrentPrograms(services, {
    tenantId,
    pageSize: request.pageSize === 0 ? DEFAULT_PAGE_SIZE : request.pageSize,
    pageToken: request.pageToken,
    states: request.states.flatMap((state) => statesFromProto(state) ?? []),
    ...startedAfter(request),
  });
  return { programs: items.map(programRowToProto), nextPageToken: nextPageToken ?? '' };
};

/**
 * Streams a program now and after each change, until it ends or the caller leaves. A slow caller gets the latest state
 * when it is ready, not each one in between.
 */
export const watchProgram = async (
  services: ProgramServices,
  request: wire.WatchProgramRequest,
  stream: Writable,
): Promise<void> => {
  checkRequest(requestSchemas.watchProgram, request);
  const program = services.book.find(request.programId);
  if (program === undefined || program.end !== null) {
    stream.write(await getProgram(services, request));
    stream.end();
    return;
  }
  let isBlocked = false;
  let isStale = true;
  const send = (): void => {
    isStale = true;
    if (isBlocked || stream.destroyed || stream.writableEnded) return;
    isStale = false;
    isBlocked = !stream.write({ program: liveProgramToProto(program, services.pool.program(program.programId)) });
    if (program.end !== null) stop();
  };
  const leave = (): void => {
    program.watchers.delete(send);
    services.closing.removeEventListener('abort', stop);
  };
  const stop = (): void => {
    leave();
    stream.end();
  };
  stream.on('drain', () => {
    isBlocked = false;
    if (isStale) send();
  });
  for (const event of ['cancelled', 'close', 'error']) stream.on(event, leave);
  services.closing.addEventListener('abort', stop);
  program.watchers.add(send);
  send();
};

const inMemory = (services: ProgramServices, programId: string): wire.Program | undefined => {
  const program = services.book.find(programId);
  return program === undefined ? undefined : liveProgramToProto(program, services.pool.program(programId));
};

const rowInMemory = (services: ProgramServices, programId: ProgramId): ProgramRow | undefined => {
  const program = services.book.find(programId);
  return program === undefined ? undefined : programRowOf(program, services.pool.program(programId), services.poolId);
};

/** A live program's stored state may be behind, so all live states are read when one is wanted. */
const storedStates = (wanted: readonly StoredProgramState[]): readonly StoredProgramState[] => {
  if (wanted.length === 0) return [];
  // A program that has ended a moment ago may still be stored as live.
  return [...new Set([...liveStates, ...wanted])];
};

const startedAfter = ({ startedAfter: time }: wire.ListProgramsRequest): Pick<ProgramFilter, 'startedAfter'> => {
  if (time === undefined) return {};
  try {
    return { startedAfter: instant(timestampFromProto(time)) };
  } catch {
    // Out of the range of a timestamp: the caller is told which field.
    throw invalidFields([{ field: 'started_after', description: `is ${time.seconds} s; allowed: years 1 to 9999` }]);
  }
};
