import { program as wire } from '@holdfast/contracts';
import type { ProgramId } from '@holdfast/scheduling';
import type { LiveProgram, ProgramEnd } from './live-program.js';
import { callerCancelled, programEnded } from './program-errors.js';
import type { ProgramServices } from './program-services.js';
import { liveProgramToProto } from './program-to-proto.js';
import { requestDigest } from './request-digest.js';
import { checkRequest, requestSchemas } from './request-schemas.js';

/** Ends a program: a running turn is cancelled, everything held is released. When it answers, the end is durable. */
export const endProgram = async (
  services: ProgramServices,
  request: wire.EndProgramRequest,
): Promise<wire.EndProgramResponse> => {
  checkRequest(requestSchemas.endProgram, request);
  const call = {
    rpc: 'endProgram',
    requestId: request.requestId,
    bodyDigest: requestDigest(wire.EndProgramRequest, request),
  };
  const answer = await services.accept(request.programId, call, (program) => {
    if (program.end !== null) throw programEnded(program.programId, program.end.outcome);
    const outcome = request.outcome === wire.ProgramOutcome.FAILED ? 'failed' : 'completed';
    const engineId = services.pool.program(program.programId)?.engineId ?? '';
    finishProgram(services, program, { outcome, message: request.message });
    services.pool.post({ type: 'programEnded', programId: program.programId, outcome });
    const proto = { ...liveProgramToProto(program, null), engineId };
    return wire.EndProgramResponse.encode({ program: proto }).finish();
  });
  await services.journal.flush();
  return wire.EndProgramResponse.decode(answer);
};

/** Modifies state. The kernel found a program silent for longer than its idle limit. */
export const timeOutProgram = (services: ProgramServices, programId: ProgramId): void => {
  const program = services.book.live(programId);
  if (program === undefined) return;
  finishProgram(services, program, { outcome: 'timedOut', message: 'silent for longer than its idle limit' });
};

/** Everything at the edge but the kernel's event, which the caller posts. */
const finishProgram = (
  services: ProgramServices,
  program: LiveProgram,
  end: Pick<ProgramEnd, 'outcome' | 'message'>,
): void => {
  const view = services.pool.program(program.programId);
  program.end = { ...end, at: services.pool.now() };
  program.lastActiveAt = program.end.at;
  if (program.turn !== null) {
    // The kernel ends no program by its idle limit that it knows to have a turn: this one was still on its way there.
    const error =
      end.outcome === 'timedOut'
        ? programEnded(program.programId, end.outcome)
        : callerCancelled(`program ${program.programId} was ended (${end.outcome}) while the turn ran`);
    services.settlement.failed(program.turn, error);
  }
  services.journal.program(program, view);
  services.metrics.programEnded(program.facts, program.end);
  services.contexts.forget(program);
  services.book.retire(program);
  program.trace.end(end.outcome);
  program.changed();
};
