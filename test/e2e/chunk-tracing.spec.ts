/** The spans of a turn with chunks are those of docs/tracing.md. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ChunkWorld, passage } from './chunk-world.fixture.js';
import { OtlpSink, type ReceivedSpan } from './otlp-sink.fixture.js';

jest.setTimeout(300_000);

/** So many turns that may reuse have one shadow run among them: one in twenty is allowed, and the first are wanted. */
const TURNS = 21;
const GENERATE = 'holdfast.engine.generate';
const sink = new OtlpSink();
let world: ChunkWorld;

beforeAll(async () => {
  world = new ChunkWorld({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: await sink.listen() } });
  await world.start();
  const tenant = await world.tenant('traced');
  const passages = (names: string): ReturnType<typeof passage>[] => [...names].map((name) => passage(name));
  await tenant.askUntil(passages('abc'), ({ chunks }) => chunks?.reusedChunks === 3);
  for (let turn = 0; turn < TURNS; turn += 1) await tenant.ask(passages(turn % 2 === 0 ? 'cab' : 'bca'));
  await tenant.storedUntil((stored) => stored.some(({ foundation }) => foundation === 'neutral'));
  // A process sends what it has when it stops.
  await world.services.stop();
});

afterAll(async () => {
  await world.stop();
  sink.close();
});

const childrenOf = ({ spanId }: ReceivedSpan): readonly ReceivedSpan[] =>
  sink.spans.filter(({ parentSpanId }) => parentSpanId === spanId);

const linesOf = (span: ReceivedSpan): readonly string[] => [
  span.name,
  ...childrenOf(span)
    .flatMap((child) => linesOf(child).join('\n'))
    .sort()
    .flatMap((text) => text.split('\n'))
    .map((line) => `  ${line}`),
];

const documentedTree = (): string => {
  const page = readFileSync(new URL('../../docs/tracing.md', import.meta.url), 'utf8');
  return /```text\n(holdfast\.engine\.generate\n[^]*?)\n```/.exec(page)?.[1] ?? '';
};

const named = (name: string): readonly ReceivedSpan[] => sink.spans.filter((span) => span.name === name);
const attribute = (span: ReceivedSpan | undefined, key: string): unknown =>
  Object.values(span?.attributes.find((item) => item.key === key)?.value ?? {})[0];

describe('the trace of a turn with chunks', () => {
  it('has what was looked up, planned, executed and compared inside its engine call, as docs/tracing.md shows', () => {
    const compared = named(GENERATE).find((call) => linesOf(call).some((line) => line.includes('chunk.shadow')))!;
    const sorted = (tree: readonly string[]): readonly string[] => [...tree].sort();
    expect(sorted(linesOf(compared))).toEqual(sorted(documentedTree().split('\n')));
    expect(linesOf(compared).find((line) => line.includes('shadow'))).toBe('    holdfast.chunk.shadow');
    const [plan] = childrenOf(compared).filter(({ name }) => name === 'holdfast.chunk.plan');
    expect(attribute(plan, 'holdfast.chunk.planner')).toBe('holdfast');
    expect(attribute(plan, 'holdfast.chunk.shadowed')).toBe(true);
    const [execute] = childrenOf(compared).filter(({ name }) => name === 'holdfast.chunk.execute');
    expect(Number(attribute(execute, 'holdfast.chunk.reused_tokens'))).toBeGreaterThan(0);
  });

  it('has every turn with a lookup, a plan and an execution, in that order', () => {
    const calls = named(GENERATE).filter((call) =>
      childrenOf(call).some(({ name }) => name.startsWith('holdfast.chunk')),
    );
    expect(calls.length).toBeGreaterThanOrEqual(TURNS);
    for (const call of calls) {
      const own = childrenOf(call)
        .filter(({ name }) => name.startsWith('holdfast.chunk'))
        .sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)));
      expect(new Set(own.map(({ name }) => name))).toEqual(
        new Set(['holdfast.chunk.lookup', 'holdfast.chunk.plan', 'holdfast.chunk.execute']),
      );
      expect(own.at(-1)?.name).toBe('holdfast.chunk.execute');
    }
  });

  it('stands beside the builds, which nobody waits for and which are traces of their own', () => {
    const builds = named('holdfast.chunk.build');
    expect(builds.length).toBeGreaterThan(0);
    for (const build of builds) {
      expect(build.parentSpanId ?? '').toBe('');
      expect(Number(attribute(build, 'holdfast.chunk.variants'))).toBe(1);
    }
  });
});
