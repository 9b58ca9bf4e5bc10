import { describe, expect, it } from '@jest/globals';
import { instant, micros, parsePolicy, policyNames, seconds, type PolicyFact } from '@holdfast/scheduling';
import { parseDisturbance } from './disturbance.js';
import { h100Pool } from './h100-pool.fixture.js';
import { simulate } from './simulate.js';
import type { Arrival } from './workload.js';

const arrivals = Array.from({ length: 40 }, (_, index): Arrival => ({
  at: instant(index * 1e6),
  program: {
    programId: `p${index}`,
    programClass: 'c',
    turns: Array.from({ length: 3 }, (__, turn) => ({
      promptTokens: 600 * (turn + 1),
      sharedTokens: turn === 0 ? 0 : 600 * turn + 50,
      outputTokens: 50,
      tool: 'bash',
      gap: turn === 2 ? micros(0) : seconds(1),
    })),
  },
}));

const leftOut = (some: readonly Arrival[]): string[] =>
  some.flatMap(({ program, isLeftOut }) => (isLeftOut === true ? [program.programId] : []));

describe('disturbances', () => {
  it('choose the same programs for every bad habit, so that the rest can be compared', () => {
    const kinds = ['nobody', 'vanishing', 'tiny-claims', 'huge-claims'];
    const chosen = kinds.map((kind) => leftOut(parseDisturbance(`${kind}=0.25`).arrange(arrivals, 1)));
    expect(new Set(chosen.map((ids) => ids.join())).size).toBe(1);
    expect(chosen[0]!.length).toBeGreaterThan(3);
    expect(chosen[0]!.length).toBeLessThan(20);
    expect(leftOut(parseDisturbance('nobody=0.25').arrange(arrivals, 2))).not.toEqual(chosen[0]);
  });

  it('let programs vanish with a tool call open, and the run ends with the last one that does return', () => {
    const disturbed = parseDisturbance('vanishing=0.25').arrange(arrivals, 1);
    const finished: string[] = [];
    const { finishedPrograms, unfinishedPrograms, finishedTurns } = simulate({
      profile: parsePolicy('infinite-pin'),
      engines: h100Pool({ engines: 1, kvScale: 0.02 }),
      arrivals: disturbed,
      dispatchWindow: 4,
      observer: { programFinished: ({ programId }) => finished.push(programId) },
    });
    const gone = leftOut(disturbed);
    expect(unfinishedPrograms).toBe(gone.length);
    expect(finishedPrograms).toBe(40 - gone.length);
    expect(finishedTurns).toBe(3 * 40 - gone.length);
    expect(finished.filter((id) => gone.includes(id))).toEqual([]);
  });

  it('tell every policy of durations that are off, and keep what it decides with', () => {
    const disturbance = parseDisturbance('durations=4');
    const { program } = { program: { programId: 'p', tenantId: 't', programClass: 'c' } };
    for (const { name } of policyNames()) {
      const real = parsePolicy(name);
      const heard: PolicyFact[] = [];
      const { retention } = disturbance.misinform({
        ...real,
        retention: { ...real.retention, observe: (_, fact) => void heard.push(fact) },
      });
      const ended = { type: 'toolCallEnded', program, tool: 'bash', duration: seconds(2), inferred: false };
      const runs = { type: 'toolCallRuns', program, tool: 'bash', elapsed: seconds(3), told: seconds(1) };
      for (const fact of [ended, runs]) retention.observe(null, fact as unknown as PolicyFact, instant(0));
      expect(heard).toEqual([
        { ...ended, duration: seconds(8) },
        { ...runs, elapsed: seconds(12), told: seconds(4) },
      ]);
      expect(retention.choose).toBe(real.retention.choose);
      expect(retention.choose).toBeInstanceOf(Function);
    }
  });

  it('name every call of a tool anew, and nothing where people answer', () => {
    const [first] = parseDisturbance('unseen-tools').arrange(arrivals, 1);
    expect(new Set(first!.program.turns.map(({ tool }) => tool)).size).toBe(3);
    const people = [
      { ...arrivals[0]!, program: { ...arrivals[0]!.program, turns: [{ ...arrivals[0]!.program.turns[0]! }] } },
    ];
    delete (people[0]!.program.turns[0] as { tool?: string }).tool;
    expect(parseDisturbance('unseen-tools').arrange(people, 1)[0]!.program.turns[0]!.tool).toBeUndefined();
  });

  it.each(['durations', 'durations=0', 'vanishing=1', 'vanishing=x', 'unseen-tools=1', 'rain=0.5', ''])(
    'refuse %j and say what is allowed',
    (text) => expect(() => parseDisturbance(text)).toThrow(`disturbance is "${text}"; allowed are durations=FACTOR`),
  );
});
