import type { program as wire } from '@holdfast/contracts';
import { toMillisCeil } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import type { Authenticator } from '../identity/authenticator.js';
import { scopedId } from '../identity/tenant-ids.js';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import { endProgram } from '../programs/end-program.js';
import { callerCancelled } from '../programs/program-errors.js';
import { getProgram, listPrograms, watchProgram } from '../programs/program-queries.js';
import type { ProgramServices } from '../programs/program-services.js';
import { cancelTurn, runTurn } from '../programs/run-turn.js';
import { type PendingStarts, startProgram } from '../programs/start-program.js';
import { beginToolCall, endToolCall } from '../programs/tool-calls.js';
import { TurnRelay } from '../turns/turn-relay.js';
import { serverStream, unary, type Rpc, type RpcContext, type StreamContext } from './rpc.js';

/** What the handlers work with. */
export interface ProgramHandlersOptions {
  readonly services: ProgramServices;
  readonly authenticator: Authenticator;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
}

/** The eight rpcs of ProgramService, as grpc-js calls them. Each sees only what is its caller's tenant's. */
export const programHandlers = (options: ProgramHandlersOptions): Record<string, unknown> => {
  const { services } = options;
  const pendingStarts: PendingStarts = new Map();
  const programContext: Rpc['programContext'] = (programId, { tenantId }) =>
    services.book.find(scopedId(tenantId, programId))?.trace.context;
  const run = (method: string): Rpc => ({ ...options, programContext, method, access: 'run' });
  const read = (method: string): Rpc => ({ ...options, programContext, method, access: 'read' });
  return {
    startProgram: unary(run('StartProgram'), (request: wire.StartProgramRequest, { caller, identity }) =>
      startProgram(services, pendingStarts, request, { ...caller, tenantId: identity.tenantId }),
    ),
    runTurn: serverStream(run('RunTurn'), (request: wire.RunTurnRequest, context: TurnContext) =>
      relayTurn(services, scoped(request, context), context),
    ),
    beginToolCall: unary(run('BeginToolCall'), (request: wire.BeginToolCallRequest, context) =>
      beginToolCall(services, scoped(request, context)),
    ),
    endToolCall: unary(run('EndToolCall'), (request: wire.EndToolCallRequest, context) =>
      endToolCall(services, scoped(request, context)),
    ),
    endProgram: unary(run('EndProgram'), (request: wire.EndProgramRequest, context) =>
      endProgram(services, scoped(request, context)),
    ),
    getProgram: unary(read('GetProgram'), (request: wire.GetProgramRequest, context) =>
      getProgram(services, scoped(request, context)),
    ),
    listPrograms: unary(read('ListPrograms'), (request: wire.ListProgramsRequest, { identity }) =>
      listPrograms(services, request, identity.tenantId),
    ),
    watchProgram: serverStream(
      read('WatchProgram'),
      (request: wire.WatchProgramRequest, context: StreamContext<unknown, wire.WatchProgramResponse>) =>
        watchProgram(services, scoped(request, context), context.stream),
    ),
  };
};

/** The request about the program that the caller's tenant calls so. */
const scoped = <Request extends { readonly programId: string }>(
  request: Request,
  { identity }: RpcContext,
): Request => {
  const programId = scopedId(identity.tenantId, request.programId);
  return programId === request.programId ? request : { ...request, programId };
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
    ...(turn.isText ? { decoder: services.text.decoder(), textOf: (id) => services.text.tokenText(id) } : {}),
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
