import { program as wire } from '@holdfast/contracts';
import { SAMPLING_FEATURES } from '@holdfast/engines';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { exactly, startTestPlane, stopTestPlanes, type TestClient, type TestPlane } from '../control-plane.fixture.js';

// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;
let plane: TestPlane;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  plane = await startTestPlane({ databaseUrl: postgres.url });
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

const logprobsOf = async (
  client: TestClient,
  request: Partial<wire.RunTurnRequest>,
): Promise<readonly wire.TokenLogprob[]> => {
  const told: wire.TokenLogprob[] = [];
  for await (const { event } of client.openTurn(request) as AsyncIterable<wire.RunTurnResponse>) {
    if (event?.$case !== 'delta') continue;
    expect(event.value.logprobs.length).toBe(event.value.tokenIds.length);
    told.push(...event.value.logprobs);
  }
  return told;
};

const conversation: wire.RunTurnRequest['input'] = {
  $case: 'conversation',
  value: { messages: [{ role: 'user', content: 'hello', toolCalls: [], toolCallId: '' }], toolsJson: '' },
};

describe('log probabilities of a turn', () => {
  const sampling = { ...exactly(6), logprobs: 2 };

  it('come with each delta, with texts when the turn came as text', async () => {
    const programId = await plane.client.start();
    const told = await logprobsOf(plane.client, { programId, input: conversation, sampling });
    expect(told).toHaveLength(6);
    for (const { logprob, topLogprobs, text, topTexts } of told) {
      expect(topLogprobs[0]).toBe(logprob);
      expect(topTexts).toEqual([text, expect.any(String)]);
      expect(text).toMatch(/^[a-z ]$/);
    }
  });

  it('are the same when the turn is asked for again, also after a restart of the service', async () => {
    const first = await startTestPlane({ databaseUrl: postgres.url });
    const programId = await first.client.start();
    const request = { programId, requestId: 'once', sampling };
    const told = await logprobsOf(first.client, request);
    expect(told).toHaveLength(6);
    expect(await logprobsOf(first.client, request)).toEqual(told);
    await first.stop();
    const second = await startTestPlane({ databaseUrl: postgres.url, pool: first.pool });
    expect(await logprobsOf(second.client, request)).toEqual(told);
    await second.stop();
  });
});

describe('sampling that an engine of the pool cannot do', () => {
  const grammar = (): wire.Sampling => ({
    ...exactly(4),
    structuredOutput: { $case: 'jsonSchema', value: '{"type":"object"}' },
  });

  it('is refused before any work, naming the field and the engine', async () => {
    const programId = await plane.client.start();
    const { details } = await plane.client.failure(plane.client.turn({ programId, sampling: grammar() }));
    expect(details?.reason).toBe('ENGINE_CAPABILITY_MISSING');
    expect(details?.fieldViolations).toEqual([
      {
        field: 'sampling.json_schema',
        description: expect.stringMatching(/^engine engine-0 has no json_schema; allowed: /),
      },
    ]);
    const { finished } = await plane.client.turn({ programId });
    expect(finished.usage?.promptTokens).toBe(40);
  });

  it('is refused where one engine of several cannot do it, until that one gets no new turns', async () => {
    const mixed = await startTestPlane({
      databaseUrl: postgres.url,
      engines: [{ samplingFeatures: SAMPLING_FEATURES }, {}],
    });
    const programId = await mixed.client.start();
    const { message: said } = await mixed.client.failure(mixed.client.turn({ programId, sampling: grammar() }));
    expect(said).toContain('engine engine-1: it cannot do json_schema');
    const drain = await fetch(`http://${mixed.running.httpAddress}/api/v1/pools/${mixed.pool}/engines/engine-1/drain`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'if-match': '*' },
      body: JSON.stringify({ isDraining: true }),
    });
    expect(drain.status).toBe(200);
    expect((await mixed.client.turn({ programId, sampling: grammar() })).started?.engineId).toBe('engine-0');
    await mixed.stop();
  });
});

describe('sampling that is wrong', () => {
  it.each<[string, Partial<wire.Sampling>, string, string]>([
    ['a penalty', { presencePenalty: 3 }, 'sampling.presence_penalty', 'FIELD_INVALID'],
    ['too many candidates', { logprobs: 21 }, 'sampling.logprobs', 'FIELD_INVALID'],
    [
      'a schema that is none',
      { structuredOutput: { $case: 'jsonSchema', value: '[' } },
      'sampling.structured_output',
      'FIELD_INVALID',
    ],
    ['a token to stop at', { stopTokenIds: [5, 9_999] }, 'sampling.stop_token_ids[1]', 'TOKEN_OUT_OF_VOCABULARY'],
    [
      'a token to be biased',
      { logitBias: [{ tokenId: 9_999, bias: 1 }] },
      'sampling.logit_bias[0]',
      'TOKEN_OUT_OF_VOCABULARY',
    ],
  ])('is refused for %s', async (_, wrong, field, reason) => {
    const programId = await plane.client.start();
    const turn = plane.client.turn({ programId, sampling: { ...exactly(4), ...wrong } });
    const { details } = await plane.client.failure(turn);
    expect(details?.reason).toBe(reason);
    expect(details?.fieldViolations?.map((violation) => violation.field)).toEqual([field]);
  });
});
