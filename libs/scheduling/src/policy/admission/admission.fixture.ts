import { anEngine } from '../../kernel/kernel.fixture.js';
import { instant, micros, type Instant } from '../../model/units.js';
import type { EngineFacts, ProgramFacts, TurnFacts } from '../facts.js';
import { aProgram, aTurn, someEngine } from '../policy.fixture.js';
import type { AdmissionPolicy, Candidate, PoolFacts } from './admission-policy.js';

/** A pool in the test's hand: programs by name, and one engine of `capacity` tokens in blocks of one. */
export class PoolFixture<S> {
  readonly state: S;
  readonly programs = new Map<string, ProgramFacts>();
  engines: EngineFacts[];
  now: Instant = instant(0);

  constructor(
    readonly policy: AdmissionPolicy<S>,
    capacity: number,
  ) {
    this.state = policy.initialState();
    this.engines = [PoolFixture.engine(capacity)];
  }

  static engine(capacity: number, engineId = 'engine-a'): EngineFacts {
    return someEngine({ description: anEngine({ engineId, totalBlocks: capacity, blockTokens: 1 }) });
  }

  get pool(): PoolFacts {
    return { engines: this.engines, programs: this.programs, now: this.now };
  }

  wait(seconds: number): this {
    this.now = instant(this.now + seconds * 1e6);
    return this;
  }

  /** The program's turn arrives; says whether it may compete. */
  submit(programId: string, promptTokens: number): boolean {
    const known = this.programs.get(programId) ?? aProgram({ programId, arrivedAt: this.now, turnsFinished: 0 });
    const program = { ...known, turn: aTurn({ turnId: programId, submittedAt: this.now, promptTokens }) };
    // Behind the others: the kernel gives deferred turns in order of deferral.
    this.programs.delete(programId);
    this.programs.set(programId, program);
    const isAdmitted = this.policy.admit(this.state, this.#candidate(program), this.pool);
    if (isAdmitted) this.#change(programId, 'queued');
    else this.#change(programId, 'deferred');
    return isAdmitted;
  }

  /** The program's turn ends with this context, and its tool begins. */
  finish(programId: string, contextTokens: number): this {
    const program = this.programs.get(programId)!;
    this.policy.observe(
      this.state,
      {
        type: 'turnRan',
        program,
        turn: program.turn!,
        wasEvicted: false,
        queueDelay: micros(0),
        uncachedTokens: program.turn!.promptTokens,
        outputTokens: 1,
      },
      this.now,
    );
    const turnsFinished = program.turnsFinished + 1;
    const ended = { turn: null, contextTokens, turnsFinished, lastTurnFinishedAt: this.now };
    const home = { engineId: 'engine-a', epoch: 'epoch-1' };
    this.programs.set(programId, { ...program, home, ...ended });
    return this;
  }

  /** The turn is gone without a fact: it failed or was cancelled. */
  cancel(programId: string): this {
    this.programs.set(programId, { ...this.programs.get(programId)!, turn: null });
    return this;
  }

  end(programId: string): this {
    const program = this.programs.get(programId)!;
    this.programs.delete(programId);
    this.policy.observe(this.state, { type: 'programEnded', program, completed: true }, this.now);
    return this;
  }

  /** What the kernel does at a tick, and when something has ended. Released turns compete. */
  release(): readonly string[] {
    const deferred = [...this.programs.values()].filter(({ turn }) => turn?.state === 'deferred');
    const released = this.policy.release(
      this.state,
      deferred.map((program) => this.#candidate(program)),
      this.pool,
    );
    for (const programId of released) this.#change(programId, 'queued');
    return released;
  }

  #candidate(program: ProgramFacts): Candidate {
    return { program, turn: program.turn! };
  }

  #change(programId: string, state: TurnFacts['state']): void {
    const program = this.programs.get(programId)!;
    this.programs.set(programId, { ...program, turn: { ...program.turn!, state } });
  }
}
