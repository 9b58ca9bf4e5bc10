import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { vllm } from '@holdfast/contracts';
import { seconds } from '@holdfast/scheduling';
import {
  collect,
  detailsOf,
  failureOf,
  generateRequest,
  TestEngine,
  type AskOptions,
  until,
} from '../../test/engine-harness.js';

const ids = (length: number, first = 0): number[] => Array.from({ length }, (_, index) => (first + index) % 50_000);

const text = (tokenIds: readonly number[]): string => String.fromCharCode(...tokenIds);

const completed = (answer: { readonly complete: vllm.GenerateComplete | undefined }): vllm.GenerateComplete => {
  if (answer.complete === undefined) throw new Error('the stream ended without complete');
  return answer.complete;
};

describe('Generate', () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await TestEngine.start();
  });
  afterAll(() => engine.stop());

  it('streams deltas, then one complete with all of them', async () => {
    const { chunks, complete } = await engine.ask({ promptIds: ids(40), sampling: { maxTokens: 30 } });
    expect(chunks.flatMap((chunk) => chunk.tokenIds)).toEqual(complete?.outputIds);
    expect(complete).toMatchObject({ promptTokens: 40, completionTokens: 30, finishReason: 'length', index: 0 });
    expect(chunks.at(-1)).toMatchObject({ promptTokens: 40, completionTokens: 30 });
  });

  it('sends only the complete message when the answer is not streamed', async () => {
    const { chunks, complete } = await engine.ask({ stream: false, sampling: { maxTokens: 5 } });
    expect(chunks).toEqual([]);
    expect(complete?.outputIds).toHaveLength(5);
  });

  it.each([1, 2, 16, 17, 500])(
    'gives exactly %d tokens when asked to ignore the end of the text',
    async (maxTokens) => {
      expect(completed(await engine.ask({ sampling: { maxTokens } })).outputIds).toHaveLength(maxTokens);
    },
  );

  it('ends by itself, within the limit, when it may', async () => {
    const answers = await Promise.all(
      ids(20).map((id) =>
        engine.ask({ promptIds: [id], sampling: { ignoreEos: false, maxTokens: 300, minTokens: 3 } }),
      ),
    );
    const lengths = answers.map((answer) => completed(answer).completionTokens);
    expect(lengths.every((length) => length >= 3 && length <= 300)).toBe(true);
    expect(new Set(lengths).size).toBeGreaterThan(5);
    for (const { complete } of answers) {
      expect(complete?.finishReason === 'length').toBe(complete?.completionTokens === 300);
    }
  });

  it('writes readable ASCII and never a special token', async () => {
    const { outputIds } = completed(await engine.ask({ sampling: { maxTokens: 400 } }));
    expect(text(outputIds)).toMatch(/^[a-z ]{400}$/);
  });

  it('gives one prompt one answer, and another answer for another seed', async () => {
    const ask = async (options: AskOptions): Promise<number[]> => completed(await engine.ask(options)).outputIds;
    const first = await ask({ promptIds: ids(100) });
    expect(await ask({ promptIds: ids(100) })).toEqual(first);
    expect(await ask({ promptIds: ids(101) })).not.toEqual(first);
    expect(await ask({ promptIds: ids(100), sampling: { seed: 7 } })).not.toEqual(first);
    const other = await TestEngine.start({ seed: 2 });
    expect(completed(await other.ask({ promptIds: ids(100) })).outputIds).not.toEqual(first);
    await other.stop();
  });

  it('finds the full blocks of a repeated prefix in the cache, and says so from the first chunk', async () => {
    const prompt = ids(160, 7_000);
    const first = completed(await engine.ask({ promptIds: prompt }));
    expect(first.cachedTokens).toBe(0);
    const { chunks, complete } = await engine.ask({ promptIds: [...prompt, ...first.outputIds, 5, 6, 7] });
    expect(complete?.cachedTokens).toBe(160);
    expect(chunks[0]?.cachedTokens).toBe(160);
  });

  it('ends at a stop token after min_tokens, which is the last one it sends', async () => {
    const stopTokenIds = [0x20];
    const early = completed(await engine.ask({ sampling: { maxTokens: 50, stopTokenIds } }));
    expect(early).toMatchObject({ finishReason: 'stop', matchedStop: { $case: 'matchedTokenId', value: 0x20 } });
    expect(early.outputIds.indexOf(0x20)).toBe(early.outputIds.length - 1);
    const late = completed(await engine.ask({ sampling: { maxTokens: 50, minTokens: 10, stopTokenIds } }));
    expect(late.outputIds.length).toBeGreaterThan(10);
    expect(late.outputIds.at(-1)).toBe(0x20);
  });

  it('ends where a stop string is complete', async () => {
    const whole = text(completed(await engine.ask({ sampling: { maxTokens: 60 } })).outputIds);
    const stop = whole.slice(20, 25);
    const cut = completed(await engine.ask({ sampling: { maxTokens: 60, stop: ['QQQ', stop] } }));
    expect(text(cut.outputIds)).toBe(whole.slice(0, whole.indexOf(stop) + stop.length));
    expect(cut).toMatchObject({ finishReason: 'stop', matchedStop: { $case: 'matchedStopStr', value: stop } });
  });

  it('stops with reason length where the context ends', async () => {
    const answer = completed(await engine.ask({ promptIds: ids(4_090), sampling: { maxTokens: 100 } }));
    expect(answer).toMatchObject({ finishReason: 'length', completionTokens: 6 });
  });

  it('tokenises text with its own tokenizer', async () => {
    const asText = completed(await engine.ask({ text: 'né<|im_end|>' }));
    const asIds = completed(await engine.ask({ promptIds: [0x6e, 0xc3, 0xa9, 258] }));
    expect(asText).toMatchObject({ promptTokens: 4, outputIds: asIds.outputIds });
  });

  it('keeps the end of a prompt that is to be truncated', async () => {
    const cut = completed(await engine.ask({ promptIds: ids(50), sampling: { truncatePromptTokens: 10 } }));
    const whole = completed(await engine.ask({ promptIds: ids(10, 40) }));
    expect(cut).toMatchObject({ promptTokens: 10, outputIds: whole.outputIds });
  });

  it.each<[string, AskOptions, string, RegExp]>([
    ['an empty prompt', { promptIds: [] }, 'PROMPT_EMPTY', /input_ids.*0 tokens.*allowed: 1 to 4095/],
    ['an empty text', { text: '' }, 'PROMPT_EMPTY', /0 tokens/],
    ['a prompt over the context', { promptIds: ids(4_096) }, 'PROMPT_TOO_LONG', /4096 tokens; allowed: 1 to 4095/],
    [
      'an id outside the vocabulary',
      { promptIds: [5, 128_256] },
      'TOKEN_OUT_OF_VOCABULARY',
      /input_ids\[1\].*128256.*0 to 128255/,
    ],
    ['no token at all', { sampling: { maxTokens: 0 } }, 'FIELD_INVALID', /max_tokens.*is 0; allowed: 1 or more/],
    [
      'more tokens at least than at most',
      { sampling: { minTokens: 9 } },
      'FIELD_INVALID',
      /min_tokens.*is 9.*0 to max_tokens \(8\)/,
    ],
    ['a negative temperature', { sampling: { temperature: -1 } }, 'FIELD_INVALID', /temperature.*is -1/],
    ['several answers', { sampling: { n: 2 } }, 'FIELD_INVALID', /sampling_params.n.*is 2; allowed: 1/],
    ['too many probabilities', { sampling: { logprobs: 21 } }, 'FIELD_INVALID', /logprobs.*is 21; allowed: 0 to 20/],
    [
      'probabilities of the prompt',
      { sampling: { promptLogprobs: 3 } },
      'FIELD_INVALID',
      /prompt_logprobs.*allowed: unset/,
    ],
    [
      'a grammar',
      { sampling: { constraint: { $case: 'regex', value: 'a' } } },
      'FIELD_INVALID',
      /constraint.*is regex/,
    ],
    ['an empty stop string', { sampling: { stop: ['a', ''] } }, 'FIELD_INVALID', /stop\[1\]/],
    ['a rank the engine lacks', { dataParallelRank: 1 }, 'FIELD_INVALID', /data_parallel_rank.*is 1; allowed: 0/],
    [
      'hints that are no JSON',
      { kvTransferParamsJson: '{"holdfast":' },
      'FIELD_INVALID',
      /kv_transfer_params_json.*JSON object/,
    ],
    ['hints that are a list', { kvTransferParamsJson: '[]' }, 'FIELD_INVALID', /kv_transfer_params_json/],
    ['a hint without program', { hints: { turn: 1 } }, 'FIELD_INVALID', /kv_transfer_params_json.holdfast.program/],
    ['a pin without time', { hints: { program: 'p', pin: {} } }, 'FIELD_INVALID', /holdfast.pin.ttlMs/],
    ['a pin of no time', { hints: { program: 'p', pin: { ttlMs: 0 } } }, 'FIELD_INVALID', /holdfast.pin.ttlMs/],
    ['a rank that is a word', { hints: { program: 'p', rank: 'first' } }, 'FIELD_INVALID', /holdfast.rank/],
  ])('refuses %s, naming the field, the value and what is allowed', async (_, options, reason, message) => {
    const error = await failureOf(engine.ask(options));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.details).toMatch(message);
    expect(detailsOf(error)?.reason).toBe(reason);
  });

  it('sends log probabilities as vLLM does: the chosen token first, whole at the end', async () => {
    const { chunks, complete } = await engine.ask({ promptIds: ids(30), sampling: { maxTokens: 40, logprobs: 3 } });
    const told = chunks.flatMap(({ outputLogprobs }) => outputLogprobs ?? []);
    const { outputIds, outputLogprobs } = completed({ complete });
    expect(told.flatMap(({ tokenIds }) => tokenIds)).toEqual(outputIds);
    expect(outputLogprobs?.tokenLogprobs).toEqual(told.flatMap(({ tokenLogprobs }) => tokenLogprobs));
    for (const [place, { tokenIds, values }] of (outputLogprobs?.topLogprobs ?? []).entries()) {
      expect(tokenIds[0]).toBe(outputIds[place]);
      expect(new Set(tokenIds).size).toBe(3);
      expect(values.reduce((sum, value) => sum + Math.exp(value), 0)).toBeLessThanOrEqual(1);
    }
    const again = await engine.ask({ stream: false, promptIds: ids(30), sampling: { maxTokens: 40, logprobs: 3 } });
    expect(completed(again).outputLogprobs).toEqual(outputLogprobs);
    expect(new Set(outputLogprobs?.tokenLogprobs).size).toBe(2);
  });

  it('names every bad field at once', async () => {
    const error = await failureOf(engine.ask({ sampling: { maxTokens: 0, n: 3, topP: 2 } }));
    expect(detailsOf(error)?.fieldViolations?.map(({ field }) => field)).toEqual([
      'sampling_params.max_tokens',
      'sampling_params.top_p',
      'sampling_params.n',
    ]);
  });

  it('ignores hints and keys it does not know', async () => {
    const kvTransferParamsJson = JSON.stringify({ other: 1, holdfast: { program: 'p', later: { a: 1 } } });
    expect((await engine.ask({ kvTransferParamsJson })).complete?.finishReason).toBe('length');
  });

  it('runs a prompt of 200,000 tokens', async () => {
    const large = await TestEngine.start({ totalBlocks: 20_000, maxContextTokens: 250_000 });
    const prompt = ids(200_000);
    const first = completed(await large.ask({ promptIds: prompt, sampling: { maxTokens: 4 } }));
    expect(first).toMatchObject({ promptTokens: 200_000, completionTokens: 4 });
    const again = completed(await large.ask({ promptIds: [...prompt, 1], sampling: { maxTokens: 4 } }));
    expect(again.cachedTokens).toBe(200_000);
    await large.stop();
  });
});

describe('a request inside the engine', () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await TestEngine.startManual();
  });
  afterAll(() => engine.stop());

  const running = async (): Promise<number> => (await engine.stats({})).stats?.runningRequests ?? -1;

  const live = async (): Promise<number> => (await engine.serverInfo({})).activeRequests;

  it('is gone with its blocks when the caller cancels', async () => {
    const call = engine.vllm.generate(generateRequest({ promptIds: ids(100), sampling: { maxTokens: 1_000 } }));
    const failed = failureOf(collect(call));
    await until(async () => (await running()) === 1);
    call.cancel();
    expect((await failed).code).toBe(status.CANCELLED);
    await until(async () => (await live()) === 0);
    expect((await engine.stats({})).stats).toMatchObject({ runningRequests: 0, waitingRequests: 0, activeBlocks: 0 });
  });

  it('ends with reason abort, and what it has, when it is aborted by id', async () => {
    const call = engine.vllm.generate(generateRequest({ requestId: 'doomed', sampling: { maxTokens: 1_000 } }));
    const answer = collect(call);
    await until(async () => (await live()) === 1);
    await engine.abort({ requestIds: ['unknown', 'doomed'] });
    expect((await answer).complete).toMatchObject({ finishReason: 'abort', promptTokens: 3 });
    expect(await live()).toBe(0);
  });

  it('keeps its id for itself until it ends', async () => {
    const first = collect(engine.vllm.generate(generateRequest({ requestId: 'same' })));
    await until(async () => (await live()) === 1);
    const error = await failureOf(collect(engine.vllm.generate(generateRequest({ requestId: 'same' }))));
    expect(error).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/request_id: is "same"/),
    });
    await engine.settled(first);
    await expect(engine.ask({ requestId: 'same' })).resolves.toMatchObject({ complete: { completionTokens: 8 } });
  });

  it('gets no place in the queue without hints but that of its arrival', async () => {
    const order: string[] = [];
    const narrow = await TestEngine.startManual({ maxRunningRequests: 1 });
    const calls = ['a', 'b', 'c'].map(async (requestId) => {
      await narrow.ask({ requestId });
      order.push(requestId);
    });
    await Promise.all(calls);
    expect(order).toEqual(['a', 'b', 'c']);
    await narrow.stop();
  });

  it('goes first when its rank is smaller', async () => {
    const order: string[] = [];
    const narrow = await TestEngine.startManual({ maxRunningRequests: 1 });
    const ask = async (program: string, rank: number): Promise<void> => {
      await narrow.ask({ hints: { program, rank } });
      order.push(program);
    };
    await Promise.all([ask('first', 9), ask('late', 5), ask('urgent', 1)]);
    expect(order.indexOf('urgent')).toBeLessThan(order.indexOf('late'));
    await narrow.stop();
  });

  it('loses nothing when its caller reads late: tokens gather into larger chunks', async () => {
    const roomy = await TestEngine.startManual({ totalBlocks: 4_096, maxContextTokens: 60_000 });
    const call = roomy.vllm.generate(generateRequest({ sampling: { maxTokens: 40_000 } }));
    const answer = collect(call);
    call.pause();
    await until(async () => (await roomy.serverInfo({})).activeRequests !== 0);
    await until(async () => {
      await roomy.pass(seconds(2));
      return (await roomy.serverInfo({})).activeRequests === 0;
    });
    call.resume();
    const { chunks, complete } = await answer;
    expect(complete?.outputIds).toHaveLength(40_000);
    expect(chunks.flatMap((chunk) => chunk.tokenIds)).toEqual(complete?.outputIds);
    expect(chunks.length).toBeLessThan(20_000);
    await roomy.stop();
  });

  it('ends with UNAVAILABLE and reason DRAINING when the engine stops', async () => {
    const stopping = await TestEngine.startManual();
    const failed = failureOf(collect(stopping.vllm.generate(generateRequest({}))));
    await until(async () => (await stopping.serverInfo({})).activeRequests === 1);
    await stopping.stop();
    const error = await failed;
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(detailsOf(error)?.reason).toBe('DRAINING');
  });
});
