import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Holdfast } from '@holdfast/sdk';
import { ServiceProcesses } from '@holdfast/testing';

const TIMEOUT_MS = 90_000;
let folder = '';
let services: ServiceProcesses;
let holdfast: Holdfast;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-e2e-'));
  // PostgreSQL may run as another account, which must be able to walk through.
  await chmod(folder, 0o755);
  services = new ServiceProcesses({ engines: 2, timeScale: 1, env: { HOLDFAST_DATA_DIR: join(folder, 'data') } });
  await services.start();
  holdfast = new Holdfast({ address: services.address });
}, TIMEOUT_MS);

afterAll(async () => {
  holdfast?.close();
  await services?.stop();
  await rm(folder, { recursive: true, force: true });
}, TIMEOUT_MS);

const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => 32 + ((index * 11) % 90));

describe('when the control plane is killed while a turn runs', () => {
  it(
    'the program goes on after a restart on the same database, and no request has two effects',
    async () => {
      const program = await holdfast.start({ name: 'survivor' });
      const first = await program.turn({ requestId: 't1', promptIds: ids(500), maxTokens: 20, ignoreEos: true });
      await program.tool('bash', {}, () => sleep(10));

      const cut = program.turn({ requestId: 't2', appendIds: ids(100), maxTokens: 300, ignoreEos: true });
      const output: number[] = [];
      let wasKilled = false;
      for await (const { tokenIds } of cut) {
        output.push(...tokenIds);
        if (wasKilled || output.length < 20) continue;
        wasKilled = true;
        services.controlPlane.signal('SIGKILL');
        await services.controlPlane.ended(10_000);
        await services.startControlPlane();
      }
      const second = await cut;
      expect(wasKilled).toBe(true);
      expect(second.usage).toMatchObject({ promptTokens: 620, outputTokens: 300 });
      expect(output).toEqual(second.tokenIds);

      const again = await program.turn({ requestId: 't1', promptIds: ids(500), maxTokens: 20, ignoreEos: true });
      expect(again.turnId).toBe(first.turnId);
      expect(again.tokenIds).toEqual(first.tokenIds);
      const secondAgain = await program.turn({ requestId: 't2', appendIds: ids(100), maxTokens: 300, ignoreEos: true });
      expect(secondAgain.turnId).toBe(second.turnId);
      expect(await holdfast.get(program.id)).toMatchObject({ turnsFinished: 2, contextTokens: 920 });

      const third = await program.turn({
        requestId: 't3',
        appendIds: ids(10),
        maxTokens: 5,
        ignoreEos: true,
        last: true,
      });
      expect(third.usage.promptTokens).toBe(930);
      expect(await program.end()).toMatchObject({ state: 'completed', turnsFinished: 3, contextTokens: 935 });
    },
    TIMEOUT_MS,
  );
});
