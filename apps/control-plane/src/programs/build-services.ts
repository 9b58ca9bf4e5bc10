/** Builds the pool and everything the rpcs share, and ties the two together. */
import { logErrorOnce, type Clock } from '@holdfast/platform';
import { ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api';
import type { Decision, Duration, KernelOptions, ProgramId } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import { buildChunks, type ChunkSettings } from '../chunks/build-chunks.js';
import type { ChunkManager } from '../chunks/chunk-manager.js';
import { EngineAbsence } from '../engines/engine-absence.js';
import type { EngineTarget } from '../engines/engine-registry.js';
import { TenantPins } from '../identity/tenant-pins.js';
import type { TenantQuotas } from '../identity/tenant-quotas.js';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import type { Storage } from '../persistence/storage.js';
import { Pool, type PoolHooks } from '../scheduling/pool.js';
import { ChunkSpans } from '../telemetry/chunk-spans.js';
import type { EngineCallTrace } from '../telemetry/program-trace.js';
import { ContextStore } from './context-store.js';
import { timeOutProgram } from './end-program.js';
import { ProgramBook } from './program-book.js';
import { ProgramServices, type ProgramLimits } from './program-services.js';
import { Receipts } from './receipts.js';
import { cancelTurn } from './run-turn.js';
import { TextService } from './text-service.js';
import { TurnSettlement } from './turn-settlement.js';

/** What the services are built from. */
export interface BuildServicesOptions {
  readonly poolId: string;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly engines: readonly EngineTarget[];
  readonly kernel: KernelOptions;
  readonly quotas: TenantQuotas;
  readonly metrics: ServiceMetrics;
  readonly limits: ProgramLimits;
  readonly contextMemoryBytes: number;
  readonly engineAbsenceLimit: Duration;
  readonly chunks: ChunkSettings;
  /** The scheduler loop has stopped on a broken invariant. */
  readonly onFailure: (error: unknown) => void;
}

/** See the file header. */
export const buildServices = (options: BuildServicesOptions): ProgramServices => {
  const { storage, clock, logger, poolId, limits, quotas, metrics } = options;
  const { journal, programs, turns, requests } = storage;
  const book = new ProgramBook();
  const tenantPins = new TenantPins();
  const contexts = new ContextStore({ maxBytes: options.contextMemoryBytes, turns, flush: () => journal.flush() });
  const text = new TextService({ anyClient: () => pool.engines.anyClient() });
  const settlement = new TurnSettlement({
    book,
    contexts,
    journal,
    text,
    metrics,
    turns: () => pool.turns,
    view: (programId) => pool.program(programId),
    now: clock.now,
  });
  const absence = new EngineAbsence({
    limit: options.engineAbsenceLimit,
    attached: () => pool.engines.attached.length,
    failWaiting: (error) => {
      for (const turn of pool.turns.all()) if (!pool.runner.runs(turn.turnId)) cancelTurn(services, turn, error);
    },
  });
  const hooks: PoolHooks = {
    ...toldHooks({ book, journal, metrics, tenantPins }),
    traceEngineCall: (turn, dispatch) => {
      const model = pool.engines.model?.model ?? '';
      return turn.trace?.dispatched(dispatch, { model, isText: turn.isText }) ?? untraced();
    },
    ...turnHooks({ settlement, logger, chunks: () => chunks }),
    onProgramTimedOut: (programId) => timeOutProgram(services, programId),
    onDecision: (decision) => traceDecision(services, decision),
    mayPin: (programId) => mayPin(services, tenantPins, programId),
    onEnginesChanged: () => enginesChanged(services),
    onFailure: options.onFailure,
  };
  const chunks = buildChunks(options, () => pool);
  const pool: Pool = new Pool({ kernel: options.kernel, clock, engines: options.engines, journal, hooks, logger });
  const services: ProgramServices = new ProgramServices({
    pool,
    book,
    contexts,
    journal,
    receipts: new Receipts({ requests, journal, now: clock.now }),
    settlement,
    absence,
    text,
    chunks,
    programs,
    turns,
    requests,
    quotas,
    metrics,
    limits,
    poolId,
  });
  return services;
};

const enginesChanged = ({ absence, chunks }: ProgramServices): void => {
  absence.changed();
  chunks.enginesChanged();
};

/** What becomes of a turn. */
const turnHooks = (parts: {
  readonly settlement: TurnSettlement;
  readonly logger: Logger;
  readonly chunks: () => ChunkManager;
}): Pick<PoolHooks, 'chunkWork' | 'onTurnFinished' | 'onTurnFailed' | 'onTurnRequeued'> => ({
  chunkWork: (turn, engine, trace) => parts.chunks().workFor(turn, engine, trace),
  onTurnFinished: (turn, answer, engineId) => {
    parts.chunks().finished(turn, answer);
    parts.settlement.finished(turn, answer, engineId);
  },
  onTurnFailed: (turn, error) => {
    // Nobody may be left to read the error; a bug is logged all the same.
    if (error.kind === 'internal') logErrorOnce(error, parts.logger);
    parts.settlement.failed(turn, error);
  },
  onTurnRequeued: (turn) => turn.trace?.requeued(),
});

/** What only the book, the journal and the metrics have to do with. */
const toldHooks = ({
  book,
  journal,
  metrics,
  tenantPins,
}: {
  readonly book: ProgramBook;
  readonly journal: Storage['journal'];
  readonly metrics: ServiceMetrics;
  readonly tenantPins: TenantPins;
}): Pick<PoolHooks, 'pins' | 'knowsProgram' | 'onProgramChanged' | 'onStep'> => ({
  onStep: (elapsedSeconds) => metrics.observe('holdfast_loop_step_seconds', elapsedSeconds),
  knowsProgram: (programId) => book.live(programId) !== undefined,
  onProgramChanged: (programId) => book.live(programId)?.changed(),
  pins: {
    onSet: (pin) => {
      journal.pinSet(pin);
      metrics.pinSet();
      const tenantId = book.live(pin.programId)?.facts.tenantId;
      if (tenantId !== undefined) tenantPins.set(pin.pinId, tenantId, pin.pinnedTokens);
      book.live(pin.programId)?.trace.pinSet(pin);
    },
    onRenewed: (pin, expiresAt) => {
      journal.pinRenewed(pin.pinId, expiresAt);
      book.live(pin.programId)?.trace.pinRenewed(pin.pinId);
    },
    onEnded: (pin, outcome, endedAt, reason) => {
      journal.pinEnded(pin.pinId, { outcome, endedAt, ...(reason === undefined ? {} : { reason }) });
      metrics.pinEnded(pin, outcome, endedAt);
      tenantPins.ended(pin.pinId);
      book.find(pin.programId)?.trace.pinEnded(pin.pinId, outcome);
    },
  },
});

/** What the program would hold counts instead of what it holds. */
const mayPin = ({ book, pool, quotas }: ProgramServices, tenantPins: TenantPins, programId: ProgramId): boolean => {
  const program = book.live(programId);
  if (program === undefined) return false;
  const { tenantId } = program.facts;
  const held = pool.program(programId)?.pin?.pinnedTokens ?? 0;
  const wanted = program.prompt?.promptIds.length ?? program.contextTokens;
  return quotas.mayPin(tenantId, tenantPins.pinnedBy(tenantId) - held + wanted);
};

const traceDecision = ({ metrics, pool, book }: ProgramServices, decision: Decision): void => {
  metrics.decided(decision);
  if (decision.turnId === undefined) book.live(decision.programId)?.trace.decided(decision);
  else pool.turns.get(decision.turnId)?.trace?.decided(decision);
};

const untraced = (): EngineCallTrace => ({
  context: {},
  chunks: new ChunkSpans(notRecorded),
  firstToken: () => undefined,
  end: () => undefined,
});

/** What is below a parent that is not recorded is not recorded either. */
const notRecorded = trace.setSpanContext(ROOT_CONTEXT, {
  ...{ traceId: '0'.repeat(31) + '1', spanId: '0'.repeat(15) + '1', traceFlags: TraceFlags.NONE },
});
