import { describe, expect, it } from '@jest/globals';
import { seconds } from '../model/units.js';
import { parsePolicy, policyNames } from '../policy/registry.js';
import { KernelFixture } from './kernel.fixture.js';

const names = policyNames().map(({ name }) => name);
const activate = (fixture: KernelFixture, policy: string, version = 2) =>
  fixture.post({ type: 'policyActivated', version, policy });

describe('a policy that is activated while a pool is at work', () => {
  it.each(names.flatMap((from) => names.map((to) => [from, to] as const)))(
    '%s to %s: programs, running and waiting turns go on to their end',
    (from, to) => {
      const fixture = new KernelFixture(from, { dispatchWindow: 1 });
      fixture.join();
      const programs = ['a', 'b', 'c', 'd'];
      for (const program of programs) fixture.start(program);
      fixture.run('a', { tokens: 200 });
      fixture.tool('a', 'grep');
      const turns = programs.map((program) => fixture.submit(program, { tokens: 300 }));
      const before = fixture.kernel.view();
      activate(fixture, to);
      const after = fixture.kernel.view();
      expect(after).toMatchObject({ programs: before.programs, turns: before.turns });
      for (let round = 0; round < 20 && fixture.kernel.view().turns > 0; round += 1) {
        for (const turnId of turns) {
          fixture.started(turnId);
          fixture.finished(turnId, { tokens: 300 });
        }
        fixture.wait(seconds(10));
        fixture.post({ type: 'timerFired', key: 'tick' });
      }
      expect(fixture.kernel.view()).toMatchObject({ turns: 0, programs: 4 });
      expect(fixture.kernel.view().counters).toMatchObject({ turnsSubmitted: 5, turnsFinished: 5 });
    },
  );

  it('orders the turns that wait by the new rule', () => {
    const fixture = new KernelFixture('vllm-fcfs', { dispatchWindow: 1 });
    fixture.join();
    for (const program of ['first', 'second', 'busy']) fixture.start(program);
    const running = fixture.submit('busy');
    const ofSecond = fixture.submit('second');
    const ofFirst = fixture.submit('first');
    activate(fixture, 'program-fcfs');
    fixture.started(running);
    fixture.started(ofFirst);
    expect(fixture.dispatchedTurns()).toEqual([running, ofFirst, ofSecond]);
  });

  it('lets go what the old admission kept aside', () => {
    const fixture = new KernelFixture('mars:window=1', { dispatchWindow: 8 });
    fixture.join();
    for (const program of ['a', 'b', 'c']) {
      fixture.start(program);
      fixture.submit(program);
    }
    expect(fixture.kernel.view().deferredTurns).toBe(2);
    activate(fixture, 'program-fcfs');
    expect(fixture.kernel.view().deferredTurns).toBe(0);
    expect(fixture.dispatches()).toHaveLength(3);
  });

  it.each(['holdfast', 'thunderagent'])('counts in %s what runs already', (to) => {
    const fixture = new KernelFixture('program-fcfs', { dispatchWindow: 8 });
    fixture.join({ totalBlocks: 100 });
    fixture.start('large');
    fixture.submit('large', { tokens: 1_500 });
    activate(fixture, to);
    fixture.start('late');
    fixture.submit('late', { tokens: 1_000 });
    expect(fixture.kernel.view().deferredTurns).toBe(1);
  });

  it('keeps the pins, and says in later decisions who made them', () => {
    const fixture = new KernelFixture('infinite-pin');
    fixture.join();
    fixture.start('a');
    fixture.run('a');
    expect(fixture.kernel.program('a')?.pin).not.toBeNull();
    activate(fixture, 'static-ttl:ttl=5s');
    expect(fixture.kernel.program('a')?.pin).not.toBeNull();
    fixture.tool('a', 'grep');
    expect(fixture.decisions().at(-1)?.policy).toBe(parsePolicy('static-ttl').retention.type);
  });

  it('has what it had learned when it returns, and its statistics are never lost', () => {
    const fixture = new KernelFixture('continuum');
    fixture.join();
    fixture.start('a');
    fixture.run('a');
    fixture.tool('a', 'grep');
    fixture.wait(seconds(3));
    fixture.toolEnded('a');
    const learned = fixture.kernel.statistics().policies['retention.continuum'];
    activate(fixture, 'holdfast');
    expect(fixture.kernel.statistics().policies['retention.continuum']).toEqual(learned);
    activate(fixture, 'continuum', 1);
    expect(fixture.kernel.statistics().policies['retention.continuum']).toEqual(learned);
  });

  it('takes what was learned of it elsewhere when it comes for the first time', () => {
    const elsewhere = new KernelFixture('continuum');
    elsewhere.join();
    elsewhere.start('a');
    elsewhere.run('a');
    elsewhere.tool('a', 'grep');
    elsewhere.wait(seconds(3));
    elsewhere.toolEnded('a');
    const document = elsewhere.kernel.statistics();
    const fixture = new KernelFixture('holdfast');
    fixture.post({ type: 'statisticsLoaded', document });
    activate(fixture, 'continuum');
    expect(fixture.kernel.statistics().policies['retention.continuum']).toEqual(
      document.policies['retention.continuum'],
    );
  });

  it('changes nothing when its name is unknown', () => {
    const fixture = new KernelFixture('continuum');
    fixture.join();
    expect(activate(fixture, 'no-such-policy')).toEqual([]);
    fixture.start('a');
    fixture.run('a');
    expect(fixture.decisions().at(-1)?.policy).toBe('retention.continuum');
  });
});
