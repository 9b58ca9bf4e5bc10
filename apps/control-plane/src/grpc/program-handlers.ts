import type { program as wire } from '@holdfast/contracts';
import { toMillisCeil } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import { endProgram } from '../programs/end-program.js';
import { callerCancelled } from '../programs/program-errors.js';
import { getProgram, listPrograms, watchProgram } from '../programs/program-queries.js';
import type { ProgramServices } from '../programs/program-services.js';
import { cancelTurn, runTurn } from '../programs/run-turn.js';
import { type PendingStarts, startProgram } from '../programs/start-program.js';
import { beginToolCall, endToolCall } from '../programs/tool-calls.js';
import { TurnRelay } from '../turns/turn-relay.js';
import { serverStream, unary, type StreamContext } from './rpc.js';

/** What the handlers work with. */
export interface ProgramHandlersOptions {
  readonly services: ProgramServices;
  readonly logger: Logger;
}

/** The eight rpcs of ProgramService, as grpc-js calls them. */
export const programHandlers = ({ services, logger }: ProgramHandlersOptions): Record<string, unknown> => {
  const pendingStarts: PendingStarts = new Map();
  return {
    startProgram: unary('StartProgram', logger, (request: wire.StartProgramRequest, { caller }) =>
      startProgram(services, pendingStarts, request, caller),
    ),
    runTurn: serverStream('RunTurn', logger, (request: wire.RunTurnRequest, context: TurnContext) =>
      relayTurn(services, request, context),
    ),
    beginToolCall: unary('BeginToolCall', logger, (request: wire.BeginToolCallRequest) =>
      beginToolCall(services, request),
    ),
    endToolCall: unary('EndToolCall', logger, (request: wire.EndToolCallRequest) => endToolCall(services, request)),
    endProgram: unary('EndProgram', logger, (request: wire.EndProgramRequest) => endProgram(services, request)),
    getProgram: unary('GetProgram', logger, (request: wire.GetProgramRequest) => getProgram(services, request)),
    listPrograms: unary('ListPrograms', logger, (request: wire.ListProgramsRequest) => listPrograms(services, request)),
    watchProgram: serverStream(
      'WatchProgram',
      logger,
      (request: wire.WatchProgramRequest, { stream }: StreamContext<unknown, wire.WatchProgramResponse>) =>
        watchProgram(services, request, stream),
    ),
  };
};

type TurnContext = StreamContext<wire.RunTurnRequest, wire.RunTurnResponse>;

const relayTurn = async (
  services: ProgramServices,
  request: wire.RunTurnRequest,
  context: TurnContext,
): Promise<void> => {
  const { stream, fail, caller } = context;
  const turn = await runTurn(services, request, caller);
  const { callerStallLimit } = services.limits;
  const relay = new TurnRelay({
    turn,
    stream,
    fail,
    ...(turn.isText ? { decoder: services.text.decoder() } : {}),
    startStallTimer: () => {
      const timer = setTimeout(() => {
        fail(callerCancelled(`the caller has taken nothing of turn ${turn.turnId} for too long`));
        leave();
      }, toMillisCeil(callerStallLimit));
      return () => clearTimeout(timer);
    },
  });
  const leave = (): void => {
    relay.close();
    if (turn.readers === 0) cancelTurn(services, turn);
  };
  stream.on('cancelled', leave);
  if (stream.cancelled) leave();
};
