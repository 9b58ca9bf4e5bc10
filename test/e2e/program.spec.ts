import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Holdfast } from '@holdfast/sdk';
import { ServiceProcesses } from '@holdfast/testing';

const TIMEOUT_MS = 60_000;
const services = new ServiceProcesses({ engines: 2, timeScale: 10 });
let holdfast: Holdfast;

beforeAll(async () => {
  await services.start();
  holdfast = new Holdfast({ address: services.address });
}, TIMEOUT_MS);

afterAll(async () => {
  holdfast?.close();
  await services.stop();
}, TIMEOUT_MS);

const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => 32 + (index % 90));

describe('a program over SDK, control plane and two engines', () => {
  it(
    'keeps its context, finds its KV again, and is told apart from others',
    async () => {
      const result = await holdfast.run({ name: 'first', programClass: 'e2e' }, async (program) => {
        const first = await program.turn({ promptIds: ids(2_000), maxTokens: 20, ignoreEos: true });
        const output = await program.tool('bash', { command: 'npm test' }, () => 'passed');
        const second = await program.turn({ appendIds: ids(64), maxTokens: 10, ignoreEos: true, last: true });
        return { id: program.id, first, output, second };
      });
      expect(result.output).toBe('passed');
      expect(result.first.usage).toEqual({
        promptTokens: 2_000,
        cachedTokens: 0,
        outputTokens: 20,
        recomputedTokens: 0,
      });
      // All whole blocks of 16 of the 2,019 tokens whose KV the first turn had computed.
      expect(result.second.usage).toEqual({
        promptTokens: 2_084,
        cachedTokens: 2_016,
        outputTokens: 10,
        recomputedTokens: expect.any(Number),
      });
      expect(result.second.engineId).toBe(result.first.engineId);
      expect(result.second.isCompaction).toBe(false);
      const info = await holdfast.get(result.id);
      expect(info).toMatchObject({ state: 'completed', turnsFinished: 2, toolCallsEnded: 1, contextTokens: 2_094 });
    },
    TIMEOUT_MS,
  );

  it(
    'streams text, and takes the conversation on',
    async () => {
      await holdfast.run({ name: 'text' }, async (program) => {
        const turn = program.turn({ messages: [{ role: 'user', content: 'Say something.' }], maxTokens: 40 });
        let streamed = '';
        for await (const { text } of turn) streamed += text;
        const result = await turn;
        expect(streamed).toBe(result.text);
        expect(streamed.length).toBeGreaterThan(0);
        const next = await program.turn({
          appendMessages: [{ role: 'user', content: 'More.' }],
          maxTokens: 5,
          last: true,
        });
        expect(next.usage.promptTokens).toBeGreaterThan(result.usage.promptTokens + result.usage.outputTokens);
      });
    },
    TIMEOUT_MS,
  );

  it(
    'spreads programs over both engines, and lists them newest first',
    async () => {
      const names = ['a', 'b', 'c', 'd'];
      const engines = await Promise.all(
        names.map((name) =>
          holdfast.run({ name }, async (program) => {
            const turn = await program.turn({ promptIds: ids(4_000).reverse(), maxTokens: 50, ignoreEos: true });
            return turn.engineId;
          }),
        ),
      );
      expect(new Set(engines).size).toBe(2);
      const listed: string[] = [];
      for await (const { name } of holdfast.list({ pageSize: 2 })) listed.push(name);
      expect(listed.slice(0, 4).sort()).toEqual(names);
      expect(listed).toHaveLength(6);
    },
    TIMEOUT_MS,
  );
});
