import type { program as wire } from '@holdfast/contracts';
import type { TurnRow } from '@holdfast/persistence';
import { LiveTurn } from '../turns/live-turn.js';
import { requestIdReused } from './program-errors.js';
import type { ProgramServices } from './program-services.js';
import { logprobsFromBytes } from './stored-logprobs.js';

/**
 * The finished turn that a request id names, from the database, ready to be read again; null when there is none, or
 * when it failed and may run again.
 *
 * @throws DomainError REQUEST_ID_REUSED when the id was used with another body.
 */
export const storedTurn = async (
  services: ProgramServices,
  call: { readonly request: wire.RunTurnRequest; readonly bodyDigest: string },
): Promise<LiveTurn | null> => {
  const { programId, requestId } = call.request;
  // A turn that has just finished may still be on its way to the database.
  await services.journal.flush();
  const row = await services.turns.byRequestId(programId, requestId);
  if (row === undefined) return null;
  if (Buffer.from(row.bodyDigest).toString('hex') !== call.bodyDigest) throw requestIdReused(requestId, 'RunTurn');
  if (row.state !== 'finished') return null;
  const turn = turnOfRow(row, call.bodyDigest);
  if (turn.isText) await services.text.load();
  if (turn.result !== null && turn.isText) {
    const output = services.text.readOutput(turn);
    turn.result = { ...turn.result, toolCalls: output?.toolCalls ?? [] };
  }
  return turn;
};

const turnOfRow = (row: TurnRow, bodyDigest: string): LiveTurn => {
  const turn = new LiveTurn({
    turnId: row.turnId,
    programId: row.programId,
    requestId: row.requestId,
    bodyDigest,
    isText: row.inputKind === 'appendMessages' || row.inputKind === 'conversation',
    submittedAt: row.submittedAt,
  });
  const finishedAt = row.finishedAt ?? row.submittedAt;
  turn.markQueued(1);
  turn.markDispatched({ engineId: row.engineId ?? '', epoch: '', now: row.dispatchedAt ?? finishedAt });
  turn.addOutput(row.outputIds ?? [], row.startedAt ?? finishedAt, logprobsFromBytes(row.outputLogprobs));
  turn.finish({
    finishReason: row.finishReason ?? 'stop',
    promptTokens: row.promptTokens,
    cachedTokens: row.cachedTokens ?? 0,
    recomputedTokens: row.recomputedTokens ?? 0,
    finishedAt,
    pin: null,
    toolCalls: [],
  });
  return turn;
};
