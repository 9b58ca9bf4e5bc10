import { after, type Command, type Duration, type Instant } from '@holdfast/scheduling';
import { EventPriority } from '../event-queue.js';
import type { FinishedTurn, SimulatedTurn } from '../extent-engine/simulated-engine.js';
import type { Simulation } from './simulate.js';
import type { Arrival, RecordedProgram } from './workload.js';

/** A program that runs: which turn, since when. */
interface LiveProgram {
  readonly index: number;
  readonly program: RecordedProgram;
  readonly arrivedAt: Instant;
  readonly vanishes: boolean;
  turn: number;
  submittedAt: Instant;
  dispatchedAt: Instant;
  startedAt: Instant;
}

/** The clients of a simulation: each program submits a turn, waits for it, runs its tool, and comes back. */
export class ProgramRunner {
  /** Programs that have not ended and will: the simulation goes on for them. */
  live = 0;
  arrived = 0;
  finished = 0;
  finishedTurns = 0;
  readonly #programs: LiveProgram[] = [];
  readonly #byTurn = new Map<string, LiveProgram>();

  constructor(private readonly simulation: Simulation) {}

  /** Modifies state. */
  arrive({ program, sizeHint, vanishes = false }: Arrival, idleLimit: Duration): void {
    const { now } = this.simulation;
    const index = this.#programs.length;
    const times = { arrivedAt: now, submittedAt: now, dispatchedAt: now, startedAt: now };
    const live = { index, program, vanishes, turn: 0, ...times };
    this.#programs.push(live);
    this.live += 1;
    this.arrived += 1;
    this.simulation.post({
      type: 'programStarted',
      programId: program.programId,
      tenantId: 'lab',
      programClass: program.programClass,
      arrivedAt: now,
      ...sizeHint,
      idleLimit,
      contextTokens: 0,
      turnsFinished: 0,
    });
    this.#submit(live);
  }

  /** Modifies state. */
  toolReturned(programIndex: number): void {
    const live = this.#programs[programIndex]!;
    if (live.program.turns[live.turn - 1]?.heard === undefined) this.toolEnded(programIndex);
    this.#submit(live);
  }

  /** Modifies state: the scheduler hears of it. */
  toolBegan(programIndex: number): void {
    const { program, turn } = this.#programs[programIndex]!;
    const tool = program.turns[turn - 1]?.tool;
    if (tool === undefined) return;
    this.simulation.post({ type: 'toolCallStarted', programId: program.programId, toolCallId: 'tool', tool });
  }

  /** Modifies state: the scheduler hears of it. */
  toolEnded(programIndex: number): void {
    const { program, turn } = this.#programs[programIndex]!;
    if (program.turns[turn - 1]?.tool === undefined) return;
    this.simulation.post({ type: 'toolCallFinished', programId: program.programId, toolCallId: 'tool' });
  }

  /** Modifies state. What the engine needs to know of a turn that is dispatched. */
  dispatched(command: Extract<Command, { type: 'dispatchTurn' }>): Omit<SimulatedTurn, 'rank' | 'bid' | 'pin'> {
    const live = this.#byTurn.get(command.turnId)!;
    const { promptTokens, sharedTokens, outputTokens } = live.program.turns[live.turn]!;
    live.dispatchedAt = this.simulation.now;
    return {
      turnId: command.turnId,
      programId: command.programId,
      promptTokens,
      sharedTokens,
      outputTokens,
      isLast: command.hints.isLast,
    };
  }

  /** Modifies state. */
  started(turnId: string): void {
    const live = this.#byTurn.get(turnId);
    if (live === undefined) return;
    live.startedAt = this.simulation.now;
    this.simulation.observer?.turnStarted?.({ programId: live.program.programId, index: live.turn }, live.startedAt);
    this.simulation.post({ type: 'turnStarted', turnId });
  }

  /** Modifies state. */
  finishedTurn(turn: FinishedTurn, engineId: string): void {
    const live = this.#byTurn.get(turn.turnId);
    if (live === undefined) return;
    this.#byTurn.delete(turn.turnId);
    if (turn.finishReason === 'error') {
      throw new RangeError(
        `program ${live.program.programId}, turn ${live.turn}: ${turn.promptTokens} prompt tokens do not fit the engine; ` +
          'allowed are contexts below the size of its KV pool (--max-context)',
      );
    }
    this.finishedTurns += 1;
    const { turnId, promptTokens, cachedTokens, outputTokens, pin } = turn;
    this.#record(live, turn, engineId);
    this.simulation.post({
      type: 'turnFinished',
      turnId,
      promptTokens,
      cachedTokens,
      outputTokens,
      ...(pin === undefined ? {} : { pin: { pinnedTokens: pin.tokens, expiresAt: pin.expiresAt } }),
    });
    this.#goOn(live);
  }

  /** Runs the tool of the turn that has just ended, or ends the program. */
  #goOn(live: LiveProgram): void {
    const { turns } = live.program;
    const { gap, heard } = turns[live.turn]!;
    live.turn += 1;
    if (live.turn === turns.length) {
      this.#end(live);
      return;
    }
    if (heard === undefined) this.toolBegan(live.index);
    else this.#expect('toolBegan', live, heard.began);
    if (live.vanishes && live.turn === turns.length - 1) {
      this.live -= 1;
      return;
    }
    if (heard !== undefined) this.#expect('toolEnded', live, heard.ended);
    this.#expect('toolReturned', live, gap);
  }

  #expect(what: 'toolBegan' | 'toolEnded' | 'toolReturned', { index }: LiveProgram, delay: Duration): void {
    const at = after(this.simulation.now, delay);
    this.simulation.queue.push(at, EventPriority.toolFinished, { what, programIndex: index });
  }

  #end(live: LiveProgram): void {
    this.live -= 1;
    this.finished += 1;
    const { programId, turns } = live.program;
    this.simulation.observer?.programFinished?.({
      programId,
      arrivedAt: live.arrivedAt,
      finishedAt: this.simulation.now,
      turns: turns.length,
    });
    this.simulation.post({ type: 'programEnded', programId, outcome: 'completed' });
    this.simulation.admitNext();
  }

  #submit(live: LiveProgram): void {
    const { programId, turns } = live.program;
    const { promptTokens, sharedTokens, outputTokens } = turns[live.turn]!;
    const turnId = `${live.index}/${live.turn}`;
    live.submittedAt = this.simulation.now;
    this.#byTurn.set(turnId, live);
    this.simulation.post({
      type: 'turnSubmitted',
      programId,
      turnId,
      promptTokens,
      sharedTokens,
      maxOutputTokens: outputTokens,
      isLast: live.turn === turns.length - 1,
    });
  }

  #record(live: LiveProgram, turn: FinishedTurn, engineId: string): void {
    const observe = this.simulation.observer?.turnFinished;
    if (observe === undefined) return;
    const { sharedTokens } = live.program.turns[live.turn]!;
    observe.call(this.simulation.observer, {
      programId: live.program.programId,
      index: live.turn,
      engineId,
      submittedAt: live.submittedAt,
      dispatchedAt: live.dispatchedAt,
      startedAt: live.startedAt,
      finishedAt: this.simulation.now,
      promptTokens: turn.promptTokens,
      cachedTokens: turn.cachedTokens,
      recomputedTokens: Math.max(0, sharedTokens - turn.cachedTokens),
      outputTokens: turn.outputTokens,
    });
  }
}
