import { describe, expect, it } from '@jest/globals';
import { instant, seconds } from '../model/units.js';
import { anOrderingView, aProgram, aRetentionView, aTurn } from './policy.fixture.js';
import { parsePolicy, policyNames } from './registry.js';

describe('a policy spec', () => {
  it('names a profile, which keeps the name as it was given', () => {
    expect(parsePolicy('static-ttl:ttl=120s').name).toBe('static-ttl:ttl=120s');
  });

  it('sets parameters', () => {
    const { retention } = parsePolicy('static-ttl:ttl=1.5m');
    const choice = retention.choose(null, aRetentionView());
    expect(choice.terms?.ttl).toBe(seconds(90));
  });

  it.each([
    ['lru', /policy "lru" is unknown; known are vllm-fcfs, program-fcfs, static-ttl, .*continuum/],
    ['toString', /policy "toString" is unknown/],
    ['static-ttl:ttl=0s', /parameter ttl is "0s", allowed is a duration/],
    ['static-ttl:ttl=soon', /parameter ttl is "soon", allowed is a duration such as 250ms/],
    ['static-ttl:ttl', /"ttl" is not of the form name=value/],
    ['static-ttl:tll=2s', /unknown parameter "tll"; it takes ttl/],
    ['vllm-fcfs:ttl=2s', /unknown parameter "ttl"; it takes none/],
    ['continuum:coldStart=warm', /coldStart is "warm", allowed is one of fixed, ln-b/],
    ['autellix:beta=-1', /parameter beta is "-1", allowed is a number from 0 to 1000000/],
    ['thunderagent:literal=true', /parameter literal is "true", allowed is one of no, yes/],
    ['continuum:coldSamples=1.5', /coldSamples is "1.5", allowed is a whole number from 0 to 100000/],
  ])('%s is refused with what is allowed', (spec, message) => {
    expect(() => parsePolicy(spec)).toThrow(message);
  });
});

describe('every registered policy', () => {
  it.each(policyNames())('$name parses, has typed names and a summary', ({ name, summary }) => {
    const profile = parsePolicy(name);
    expect(profile.ordering.type).toMatch(/^ordering\.[a-z-]+$/);
    expect(profile.retention.type).toMatch(/^retention\.[a-z-]+$/);
    expect(profile.admission?.type ?? 'admission.none').toMatch(/^admission\.[a-z-]+$/);
    expect(summary.length).toBeGreaterThan(20);
  });

  it.each(policyNames())('$name ranks with safe integers in this century, pinned or not', ({ name }) => {
    const { ordering } = parsePolicy(name);
    for (const isPinned of [true, false]) {
      const late = instant(1.8e15);
      const view = anOrderingView({
        program: aProgram({ arrivedAt: late }),
        turn: aTurn({ submittedAt: late }),
        isPinned,
      });
      const rank = ordering.rank(ordering.initialState(), view);
      expect(Number.isSafeInteger(rank)).toBe(true);
    }
  });
});
