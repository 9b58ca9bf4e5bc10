import type { LiveProgram as StoredProgram } from '@holdfast/persistence';
import { ProgramTrace } from '../telemetry/program-trace.js';
import { LiveProgram, type OpenToolCall } from './live-program.js';
import { ProgramContext } from './program-context.js';
import type { ProgramServices } from './program-services.js';
import { programStartedEvent } from './start-program.js';
import { textTurnsOf } from './text-turn.js';
import { toolCallStartedEvent } from './tool-calls.js';

/**
 * Takes over the programs that an earlier process left alive, in the order of their arrival. Turns that ran are marked
 * as interrupted: their callers send them again under the same request id. Returns how many programs there are.
 */
export const restorePrograms = async (services: ProgramServices): Promise<number> => {
  const restored: { readonly program: LiveProgram; readonly stored: Omit<StoredProgram, 'context'> }[] = [];
  for await (const { context, ...stored } of services.programs.loadLive(services.poolId)) {
    const program = revive(stored, context);
    services.book.add(program);
    // Contexts beyond the bound go again at once and come back on demand.
    services.contexts.used(program);
    restored.push({ program, stored });
  }
  restored.sort((a, b) => a.program.facts.startedAt - b.program.facts.startedAt || compareIds(a.program, b.program));
  for (const { program, stored } of restored) resume(services, program, stored);
  await services.journal.flush();
  return restored.length;
};

const compareIds = (a: LiveProgram, b: LiveProgram): number => (a.programId < b.programId ? -1 : 1);

const revive = (stored: Omit<StoredProgram, 'context'>, context: Uint32Array): LiveProgram => {
  const { program: row } = stored;
  const facts = {
    programId: row.programId,
    tenantId: row.tenantId,
    name: row.name,
    model: row.model,
    programClass: row.programClass,
    startedAt: row.startedAt,
    idleLimit: row.idleLimit,
    ...(row.parentId == null ? {} : { parentId: row.parentId }),
    ...(row.expectedTurns == null ? {} : { expectedTurns: row.expectedTurns }),
    ...(row.expectedTokens == null ? {} : { expectedTokens: row.expectedTokens }),
  };
  const program = new LiveProgram({
    facts,
    trace: ProgramTrace.start(facts, { traceparent: row.traceparent ?? null }),
    counts: {
      turnsFinished: row.turnsFinished,
      turnsSubmitted: stored.nextOrdinal,
      toolCallsEnded: row.toolCallsEnded,
      promptTokens: row.promptTokens,
      cachedTokens: row.cachedTokens,
      outputTokens: row.outputTokens,
      recomputedTokens: row.recomputedTokens,
    },
    context: new ProgramContext(context),
    contextTokens: context.length,
    priority: row.priority,
    lastActiveAt: row.lastActiveAt,
    isRestored: true,
  });
  program.textTurns = textTurnsOf(stored.textTurns);
  return program;
};

const resume = (services: ProgramServices, program: LiveProgram, stored: Omit<StoredProgram, 'context'>): void => {
  const { pool, journal } = services;
  const now = pool.now();
  for (const turn of stored.unfinishedTurns) journal.turnInterrupted(turn.turnId, now);
  for (const pin of stored.openPins) journal.pinEnded(pin.pinId, { outcome: 'lost', endedAt: now });
  pool.post(programStartedEvent(program));
  for (const row of stored.openToolCalls) {
    const call: OpenToolCall = {
      tool: row.tool,
      commandClass: row.commandClass ?? null,
      timeout: row.timeout ?? null,
      beganAt: row.beganAt,
    };
    program.openToolCalls.set(row.toolCallId, call);
    program.trace.toolCallBegan(row.toolCallId, call);
    pool.post(toolCallStartedEvent(program.programId, row.toolCallId, call));
  }
  journal.program(program, pool.program(program.programId));
};
