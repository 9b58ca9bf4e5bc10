import { describe, expect, it } from '@jest/globals';
import { instant, seconds, type Duration } from '../model/units.js';
import { parsePolicy, policyNames } from '../policy/registry.js';
import type { StatisticsDocument } from '../statistics/saved.js';
import { KernelFixture } from './kernel.fixture.js';
import { fitStatistics, initialStatistics, type RecordedToolCall } from './statistics.js';

const TOOLS = ['grep', 'pytest', 'edit'];
const specs = [...policyNames().map(({ name }) => name), 'continuum:coldSamples=2'];

/** A program of five turns with a tool call after each. */
const runProgram = (fixture: KernelFixture, programId: string): void => {
  fixture.start(programId);
  for (let turn = 0; turn < 5; turn += 1) {
    const shared = turn * 150;
    fixture.run(programId, { tokens: shared + 100, shared, cached: turn % 2 === 0 ? shared : 0 });
    fixture.tool(programId, TOOLS[turn % 3] ?? '', `call-${turn}`);
    fixture.wait(seconds(0.3 + turn * 1.7));
    fixture.toolEnded(programId, `call-${turn}`);
  }
  fixture.post({ type: 'programEnded', programId, outcome: 'completed' });
};

/** A kernel that has seen some programs, all ended. */
const experienced = (policy: string): KernelFixture => {
  const fixture = new KernelFixture(policy);
  fixture.join();
  for (let index = 0; index < 4; index += 1) runProgram(fixture, `past-${index}`);
  return fixture;
};

const viaDatabase = (document: StatisticsDocument): StatisticsDocument =>
  JSON.parse(JSON.stringify(document)) as StatisticsDocument;

/** What is decided about a later program, without the number of the decision. */
const laterDecisions = (fixture: KernelFixture): unknown[] => {
  const before = fixture.decisions().length;
  runProgram(fixture, 'later');
  return fixture
    .decisions()
    .slice(before)
    .map(({ kind, policy, turnId, choice, reason, inputs }) => ({
      kind,
      policy,
      hasTurn: turnId !== undefined,
      choice,
      reason,
      inputs,
    }));
};

const restarted = (policy: string, from: KernelFixture, document: StatisticsDocument): KernelFixture => {
  const fixture = new KernelFixture(policy);
  fixture.now = from.now;
  fixture.post({ type: 'statisticsLoaded', document });
  fixture.join();
  return fixture;
};

describe('what policies have learned', () => {
  it.each(specs)('%s decides after a restart as it would have without one', (policy) => {
    const before = experienced(policy);
    const after = restarted(policy, before, viaDatabase(before.kernel.statistics()));
    expect(after.kernel.statistics()).toEqual(before.kernel.statistics());
    expect(laterDecisions(after)).toEqual(laterDecisions(before));
  });

  it('makes a difference: without it the holdfast policy prices contexts otherwise', () => {
    const before = experienced('holdfast');
    const cold = restarted('holdfast', before, initialStatistics(parsePolicy('holdfast')));
    expect(laterDecisions(cold)).not.toEqual(laterDecisions(before));
  });

  it.each([
    ['another version', { version: 2, policies: { 'retention.elastic': { durations: {} } } }],
    ['no histogram', { version: 1, policies: { 'retention.elastic': { durations: { all: 3, byTool: [] } } } }],
    ['a negative weight', { version: 1, policies: { 'retention.elastic': { durations: { all: { total: -1 } } } } }],
    ['null', { version: 1, policies: { 'retention.elastic': { durations: null }, 'admission.expected-growth': {} } }],
  ])('is kept when what is loaded has %s', (_, document) => {
    const fixture = experienced('holdfast');
    const known = fixture.kernel.statistics();
    fixture.post({ type: 'statisticsLoaded', document: document as unknown as StatisticsDocument });
    expect(fixture.kernel.statistics()).toEqual(known);
  });

  it('is forgotten when the initial statistics are loaded', () => {
    const fixture = experienced('continuum');
    fixture.post({ type: 'statisticsLoaded', document: initialStatistics(parsePolicy('continuum')) });
    expect(fixture.kernel.statistics()).toEqual(new KernelFixture('continuum').kernel.statistics());
  });
});

describe('statistics fitted from recorded tool calls', () => {
  const recorded = (tool: string, duration: Duration, endedAt: number): RecordedToolCall => ({
    programId: 'p',
    tenantId: 't',
    programClass: 'c',
    tool,
    duration,
    endedAt: instant(endedAt),
    inferred: false,
  });

  it('are what a kernel learned that saw these calls, with the rest as it was before', () => {
    const seen = experienced('continuum');
    const calls = Array.from({ length: 4 }).flatMap(() =>
      Array.from({ length: 5 }, (_, turn) => recorded(TOOLS[turn % 3] ?? '', seconds(0.3 + turn * 1.7), turn)),
    );
    const known = seen.kernel.statistics();
    expect(fitStatistics(parsePolicy('continuum'), calls, known)).toEqual(known);
    const fresh = fitStatistics(parsePolicy('continuum'), calls, null).policies['retention.continuum'];
    expect(fresh?.['durations']).toEqual(known.policies['retention.continuum']?.['durations']);
    expect(fresh?.['queueDelays']).toEqual([]);
  });

  it('are without the calls that are to be forgotten', () => {
    const profile = parsePolicy('holdfast');
    const calls = [recorded('grep', seconds(1), 5), recorded('make', seconds(60), 6)];
    const known = fitStatistics(profile, calls, null);
    const others = fitStatistics(profile, calls, known, ({ tool }) => tool === 'make');
    expect(others).toEqual(fitStatistics(profile, calls.slice(0, 1), known));
    expect(fitStatistics(profile, calls, known, () => true)).toEqual(initialStatistics(profile));
  });

  it('keep what is known of policies that are not in use', () => {
    const known = experienced('saga').kernel.statistics();
    const fitted = fitStatistics(parsePolicy('holdfast'), [recorded('grep', seconds(1), 5)], known);
    expect(Object.keys(fitted.policies).sort()).toEqual(
      ['admission.expected-growth', 'retention.elastic', 'retention.saga'].sort(),
    );
    expect(fitted.policies['retention.saga']).toEqual(known.policies['retention.saga']);
  });
});
