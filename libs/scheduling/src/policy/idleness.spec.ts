import { describe, expect, it } from '@jest/globals';
import { instant, micros } from '../model/units.js';
import type { ProgramFacts } from './facts.js';
import { idlenessOf, observeIdleness, type IdlenessState } from './idleness.js';
import { aProgram, aTurn } from './policy.fixture.js';

const at = (seconds: number): ReturnType<typeof instant> => instant(seconds * 1e6);

/** A program whose turns take one second each, after tools of these lengths and two seconds of waiting. */
class Life {
  readonly state: IdlenessState = new Map();
  now = 0;
  program: ProgramFacts = aProgram({ lastTurnFinishedAt: null });

  turn(toolSeconds: number): this {
    const submittedAt = at(this.now + toolSeconds);
    const dispatchedAt = at(this.now + toolSeconds + 2);
    this.now += toolSeconds + 3;
    const turn = aTurn({ submittedAt, dispatchedAt });
    const fact = {
      type: 'turnRan',
      wasEvicted: false,
      queueDelay: micros(0),
      uncachedTokens: 0,
      outputTokens: 1,
    } as const;
    observeIdleness(this.state, { ...fact, program: this.program, turn }, at(this.now));
    this.program = aProgram({ lastTurnFinishedAt: at(this.now) });
    return this;
  }

  idleness(afterSeconds = 0): number {
    return idlenessOf(this.state, this.program, at(this.now + afterSeconds));
  }
}

describe('idleness', () => {
  it('is one half before anything is known', () => {
    expect(new Life().idleness()).toBe(0.5);
  });

  it('is the share of tools in tools and turns; waiting is neither', () => {
    // Turns of 1 s, a tool of 3 s between them.
    expect(new Life().turn(0).idleness()).toBe(0);
    expect(new Life().turn(0).turn(3).idleness()).toBe(3 / 5);
  });

  it('grows while a tool runs, and stands still once it has returned', () => {
    const life = new Life().turn(0);
    expect(life.idleness(1)).toBe(1 / 2);
    expect(life.idleness(4)).toBe(4 / 5);
    life.program = { ...life.program, turn: aTurn({ submittedAt: at(life.now + 4) }) };
    expect(life.idleness(100)).toBe(4 / 5);
  });

  it('forgets what lies more than five turns back', () => {
    const life = new Life().turn(0).turn(95);
    for (let turn = 0; turn < 4; turn += 1) life.turn(1);
    // Of five turns the first one's absence was 1 s; the 95 s belong to the one before them.
    expect(life.idleness()).toBe(4 / 9);
  });

  it('forgets a program that has ended', () => {
    const life = new Life().turn(0).turn(3);
    observeIdleness(life.state, { type: 'programEnded', program: life.program, completed: true }, at(life.now));
    expect(life.state.size).toBe(0);
  });
});
