import { program as wire, timestampFromProto } from '@holdfast/contracts';
import { invalidFields } from '@holdfast/platform';
import type { ProgramFilter, ProgramRow, StoredProgramState } from '@holdfast/persistence';
import { instant } from '@holdfast/scheduling';
import type { Writable } from 'node:stream';
import { programNotFound } from './program-errors.js';
import type { ProgramServices } from './program-services.js';
import { liveProgramToProto, programRowToProto, stateOf, statesFromProto } from './program-to-proto.js';
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

/** A page of programs, newest first. Which programs there are comes from the database, where they stand from memory. */
export const listPrograms = async (
  services: ProgramServices,
  request: wire.ListProgramsRequest,
  tenantId: string,
): Promise<wire.ListProgramsResponse> => {
  checkRequest(requestSchemas.listPrograms, request);
  const wanted = request.states.flatMap((state) => statesFromProto(state) ?? []);
  const pageSize = request.pageSize === 0 ? DEFAULT_PAGE_SIZE : request.pageSize;
  const filter: ProgramFilter = { tenantId, pageSize, states: storedStates(wanted), ...startedAfter(request) };
  const programs: wire.Program[] = [];
  let pageToken = request.pageToken;
  // Rows whose state has moved on since it was stored drop out, so a page may take more than one read. The next page
  // starts where a read ended, so a read asks for no more than the page still needs.
  do {
    const page = await services.programs.list({
      ...filter,
      pageSize: pageSize - programs.length,
      ...(pageToken === '' ? {} : { pageToken }),
    });
    for (const row of page.items) {
      if (wanted.length === 0 || wanted.includes(currentState(services, row))) {
        programs.push(inMemory(services, row.programId) ?? programRowToProto(row));
      }
    }
    pageToken = page.nextPageToken ?? '';
  } while (programs.length < pageSize && pageToken !== '');
  return { programs, nextPageToken: pageToken };
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

const currentState = (services: ProgramServices, row: ProgramRow): StoredProgramState => {
  const program = services.book.find(row.programId);
  return program === undefined ? row.state : stateOf(program, services.pool.program(row.programId));
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
