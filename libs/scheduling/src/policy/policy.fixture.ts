import { anEngine } from '../kernel/kernel.fixture.js';
import { instant, micros } from '../model/units.js';
import type { EngineFacts, ProgramFacts, TurnFacts } from './facts.js';
import type { OrderingView } from './ordering/ordering-policy.js';
import type { RetentionView } from './retention/retention-policy.js';

export const aProgram = (changes: Partial<ProgramFacts> = {}): ProgramFacts => ({
  programId: 'p',
  tenantId: 'tenant',
  programClass: 'class',
  arrivedAt: instant(0),
  expectedTurns: null,
  expectedTokens: null,
  contextTokens: 4_000,
  turnsFinished: 1,
  attainedTokens: 4_000,
  priority: 0,
  lastTurnFinishedAt: null,
  openToolCalls: new Map(),
  parentId: null,
  childIds: new Set(),
  home: null,
  turn: null,
  ...changes,
});

export const aTurn = (changes: Partial<TurnFacts> = {}): TurnFacts => ({
  turnId: 't',
  index: 1,
  submittedAt: instant(0),
  promptTokens: 4_000,
  sharedTokens: 3_900,
  isLast: false,
  state: 'queued',
  dispatchedAt: null,
  startedAt: null,
  ...changes,
});

export const someEngine = (changes: Partial<EngineFacts> = {}): EngineFacts => ({
  description: anEngine(),
  draining: false,
  activeTokens: 0,
  homeTokens: 4_000,
  load: null,
  observedAt: null,
  ...changes,
});

export const aRetentionView = (changes: Partial<RetentionView> = {}): RetentionView => ({
  moment: 'toolCall',
  program: aProgram(),
  engine: someEngine(),
  contextTokens: 4_000,
  tool: 'bash',
  elapsed: micros(0),
  isPinned: true,
  waitingTurns: 0,
  now: instant(1_000_000),
  ...changes,
});

export const anOrderingView = (changes: Partial<OrderingView> = {}): OrderingView => ({
  program: aProgram(),
  turn: aTurn(),
  isPinned: false,
  now: instant(1_000_000),
  ...changes,
});
