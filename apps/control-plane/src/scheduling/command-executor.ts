import { DomainError, type ReasonName } from '@holdfast/platform';
import type { Command, Decision, DecisionOutcome, EndProgram, Instant, RejectTurn } from '@holdfast/scheduling';
import type { LiveTurn } from '../turns/live-turn.js';
import type { TurnRunner } from '../turns/turn-runner.js';
import type { TurnTable } from '../turns/turn-table.js';
import type { KernelTimers } from './kernel-timers.js';
import type { PinExecutor } from './pin-executor.js';

/** What carries the commands out. */
export interface CommandExecutorOptions {
  readonly turns: TurnTable;
  readonly runner: TurnRunner;
  readonly pins: PinExecutor;
  readonly timers: KernelTimers;
  readonly onRejected: (turn: LiveTurn, error: DomainError) => void;
  readonly onRequeued: (turn: LiveTurn) => void;
  readonly onProgramTimedOut: (command: EndProgram) => void;
  readonly onDecision: (decision: Decision) => void;
  readonly onDecisionResolved: (decisionId: number, outcome: DecisionOutcome, at: Instant) => void;
}

/** Makes the function that carries out one command of the kernel, or sets it going. It never waits. */
export const commandExecutor = (options: CommandExecutorOptions): ((command: Command) => void) => {
  const { runner, pins, timers } = options;
  // One case a command: a table would lose the types.
  // eslint-disable-next-line complexity
  return (command) => {
    switch (command.type) {
      case 'dispatchTurn':
        return runner.start(command);
      case 'abortTurn':
        return runner.forget(command.turnId);
      case 'requeuedTurn':
        runner.forget(command.turnId);
        return requeued(options, command.turnId);
      case 'rerankTurn':
        return runner.rerank(command);
      case 'rejectTurn':
        return rejectTurn(options, command);
      case 'setPin':
      case 'renewPin':
      case 'releasePin':
        return pins.submit(command);
      case 'endProgram':
        return options.onProgramTimedOut(command);
      case 'scheduleTimer':
        return timers.schedule(command.key, command.at);
      case 'cancelTimer':
        return timers.cancel(command.key);
      case 'recordDecision':
        return options.onDecision(command.decision);
      case 'resolveDecision':
        return options.onDecisionResolved(command.decisionId, command.outcome, command.at);
    }
  };
};

const requeued = ({ turns, onRequeued }: CommandExecutorOptions, turnId: string): void => {
  const turn = turns.get(turnId);
  if (turn !== undefined) onRequeued(turn);
};

const rejectTurn = (options: CommandExecutorOptions, command: RejectTurn): void => {
  const turn = options.turns.get(command.turnId);
  if (turn === undefined) return;
  const isFull = command.reason === 'QUEUE_FULL';
  const error = new DomainError({
    kind: isFull ? 'exhausted' : 'precondition',
    reason: command.reason as ReasonName,
    message: isFull
      ? `the pool's queue is full, so turn ${command.turnId} was not accepted; try again later`
      : `turn ${command.turnId} of program ${turn.programId} was rejected: ${command.reason}`,
    metadata: { programId: turn.programId, turnId: command.turnId },
    ...(command.retryAfter === undefined ? {} : { retryAfter: command.retryAfter }),
  });
  options.onRejected(turn, error);
};
