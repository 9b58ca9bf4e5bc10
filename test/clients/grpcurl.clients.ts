import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { runGo } from './others-programs.fixture.js';
import { served } from './served.fixture.js';

const SERVICE = 'holdfast.program.v1.ProgramService';
const key = ['-H', `authorization: Bearer ${served.apiKey}`];

const grpcurl = (flags: readonly string[], words: readonly string[]): Promise<string> =>
  runGo('grpcurl', ['-plaintext', ...flags, served.grpcAddress, ...words]);

/** Calls a method by reflection alone; its answers. */
const call = async (method: string, request: object): Promise<Record<string, unknown>[]> => {
  const output = await grpcurl([...key, '-d', JSON.stringify(request)], [`${SERVICE}/${method}`]);
  return output.split(/\n(?=\{)/).map((answer) => JSON.parse(answer) as Record<string, unknown>);
};

describe('grpcurl', () => {
  it('finds the services and their messages by reflection', async () => {
    expect((await grpcurl([], ['list'])).trim()).toBe(SERVICE);
    expect(await grpcurl([], ['describe', `${SERVICE}.RunTurn`])).toContain(
      'stream .holdfast.program.v1.RunTurnResponse',
    );
  });

  it('runs a program: starts it, streams a turn, ends it', async () => {
    const programId = `grpcurl-${randomUUID()}`;
    const named = (): { requestId: string; programId: string } => ({ requestId: randomUUID(), programId });
    const [started] = await call('StartProgram', { ...named(), name: 'by hand' });
    expect(started).toMatchObject({ program: { programId, name: 'by hand' } });
    const messages = [{ role: 'user', content: 'Say something by hand.' }];
    const events = await call('RunTurn', { ...named(), conversation: { messages }, sampling: { maxTokens: 20 } });
    expect(events.flatMap(Object.keys)).toEqual(expect.arrayContaining(['queued', 'started', 'delta', 'finished']));
    expect((await call('EndProgram', { ...named(), outcome: 'PROGRAM_OUTCOME_COMPLETED' }))[0]).toMatchObject({
      program: { programId, state: 'PROGRAM_STATE_COMPLETED' },
    });
  });

  it('is refused without a key', async () => {
    const request = JSON.stringify({ requestId: 'r', name: 'nobody' });
    await expect(grpcurl(['-d', request], [`${SERVICE}/StartProgram`])).rejects.toThrow('Unauthenticated');
  });
});
