import { program as wire } from '@holdfast/contracts';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { HoldfastOptions } from './options.js';
import type { Program } from './program.js';
import { ScriptedService, finished, queued, started, turn, type TurnScript } from './scripted-service.fixture.js';

let service: ScriptedService;
beforeEach(async () => {
  service = new ScriptedService();
  await service.listen();
});
afterEach(() => service.close());

const start = (options?: Partial<HoldfastOptions>): Promise<Program> => service.client(options).start();
const play = (...scripts: TurnScript[]): void => void service.turns.splice(0, service.turns.length, ...scripts);

describe('what goes with a turn', () => {
  it('sends what shapes the choice of tokens, and the form that the output has to have', async () => {
    const program = await start();
    const shape = { presencePenalty: -1, frequencyPenalty: 1.5, repetitionPenalty: 2, minP: 0.25, logprobs: 3 };
    const stopTokenIds = [7, 8];
    const structuredOutput = { jsonSchema: { type: 'object' } };
    await program.turn({ appendIds: [1], ...shape, stopTokenIds, logitBias: new Map([[5, -100]]), structuredOutput });
    await program.turn({ appendIds: [1], structuredOutput: { choice: ['yes', 'no'] } });
    const [first, second] = service.requests<wire.RunTurnRequest>('runTurn').map(({ sampling }) => sampling);
    expect(first).toEqual({
      ...wire.Sampling.create(),
      ...shape,
      stopTokenIds,
      logitBias: [{ tokenId: 5, bias: -100 }],
      structuredOutput: { $case: 'jsonSchema', value: '{"type":"object"}' },
    });
    expect(second?.structuredOutput).toEqual({ $case: 'choice', value: { choices: ['yes', 'no'] } });
  });

  it('has the log probabilities of its tokens, when they came', async () => {
    const one = { logprob: -0.5, topTokenIds: [7, 8], topLogprobs: [-0.25, -2], text: 'a', topTexts: ['b', 'c'] };
    const told: wire.RunTurnResponse = {
      event: { $case: 'delta', value: { tokenIds: [6], text: 'a', logprobs: [one] } },
    };
    play(turn([queued(), started(), told, finished()]));
    const program = await start();
    const shown = {
      logprob: -0.5,
      text: 'a',
      top: [
        { tokenId: 7, logprob: -0.25, text: 'b' },
        { tokenId: 8, logprob: -2, text: 'c' },
      ],
    };
    expect((await program.turn({ appendIds: [1], logprobs: 2 })).logprobs).toEqual([shown]);
  });

  it('sends its chunks and says what they cost', async () => {
    const use = {
      reusedTokens: 70,
      recomputedTokens: 30,
      computedTokens: 0,
      reusedChunks: 1,
      recomputeShare: 0.3,
      reason: 'r',
    };
    play(turn([queued(), started(), finished({ chunks: { ...use, shadowKl: 0.01 } })]));
    const chunks = [{ id: 'c', text: 'passage', source: 'handbook' }];
    const result = await (await start()).turn({ messages: [{ role: 'user', content: 'hi' }], chunks });
    expect(result.chunks).toEqual({ ...use, shadowKl: 0.01 });
    const [request] = service.requests<wire.RunTurnRequest>('runTurn');
    expect(request?.chunks).toEqual([{ id: 'c', text: 'passage', source: 'handbook', sourceVersion: '' }]);
  });

  it.each([[{}], [{ promptIds: [1], messages: [] }]])(
    'with input %j fails here, naming what is allowed',
    async (input) => {
      const program = await start();
      await expect(program.turn(input as never).result).rejects.toThrow(
        /allowed: one of messages, appendMessages, promptIds, appendIds/,
      );
      expect(service.seen('runTurn')).toHaveLength(0);
    },
  );
});
