import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Holdfast, type TurnResult } from '@holdfast/sdk';
import { ServiceProcesses } from '@holdfast/testing';

const TIMEOUT_MS = 90_000;
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

const PROGRAMS = 6;
const TURNS = 5;
const OUTPUT_TOKENS = 400;
const ids = (seed: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => 32 + ((index * 7 + seed * 13) % 90));

const runProgram = (ordinal: number, onTurn: (turn: TurnResult) => void): Promise<string> =>
  holdfast.run({ name: `program-${ordinal}` }, async (program) => {
    for (let index = 0; index < TURNS; index += 1) {
      const input = index === 0 ? { promptIds: ids(ordinal, 3_000) } : { appendIds: ids(ordinal, 100) };
      onTurn(await program.turn({ ...input, maxTokens: OUTPUT_TOKENS, ignoreEos: true, last: index === TURNS - 1 }));
      if (index < TURNS - 1) await program.tool('bash', {}, () => sleep(20));
    }
    return program.id;
  });

describe('when an engine is killed while turns run on it', () => {
  it(
    'its programs go on elsewhere and finish with whole contexts',
    async () => {
      const turns: TurnResult[] = [];
      let isDead = false;
      const afterDeath: TurnResult[] = [];
      const running = Array.from({ length: PROGRAMS }, (_, ordinal) =>
        runProgram(ordinal, (turn) => {
          turns.push(turn);
          if (isDead) afterDeath.push(turn);
        }),
      );
      while (turns.length < PROGRAMS) await sleep(20);
      services.engines[0]?.signal('SIGKILL');
      isDead = true;
      const programIds = await Promise.all(running);

      expect(turns).toHaveLength(PROGRAMS * TURNS);
      expect(turns.every(({ usage }) => usage.outputTokens === OUTPUT_TOKENS)).toBe(true);
      expect(new Set(turns.map(({ engineId }) => engineId)).size).toBe(2);
      // What a call had finished before the kill may still be told after it; the last turns ran where an engine lives.
      expect(new Set(afterDeath.slice(-PROGRAMS).map(({ engineId }) => engineId)).size).toBe(1);
      for (const programId of programIds) {
        const info = await holdfast.get(programId);
        expect(info).toMatchObject({
          state: 'completed',
          turnsFinished: TURNS,
          contextTokens: 3_000 + (TURNS - 1) * 100 + TURNS * OUTPUT_TOKENS,
        });
      }
    },
    TIMEOUT_MS,
  );
});
