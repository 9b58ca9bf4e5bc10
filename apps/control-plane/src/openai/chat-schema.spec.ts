/** Requests of the OpenAI form are checked once, by their own schemas: what those take must be what RunTurn takes. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkRequest, requestSchemas } from '../programs/request-schemas.js';
import {
  checkedChatRequest,
  parseChatRequest,
  parseCompletionRequest,
  type ChatRequest,
  type CommonRequest,
} from './chat-schema.js';
import { wireChunks } from './request-chunks.js';
import { samplingOf, toolsJsonOf, wireMessages } from './wire-turn.js';

const number = fc.oneof(
  fc.constantFrom(-1, -0.1, 0, 1, 2, 10, 20, 21, 100, 101),
  fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, 1e300),
  fc.double({ min: 0, max: 2, noNaN: true }),
);
const string = fc.oneof(
  fc.constantFrom('abc', 'some text'),
  fc.constantFrom('', 'a', '\u0000', '\u007f', '\ud800', 'é😀'),
  fc.constantFrom(128, 129, 256, 257, 300).map((length) => 'x'.repeat(length)),
);
const key = fc.oneof(fc.constantFrom('0', '4294967295', '4294967296', '9999999999', '-1'), string);
/** Mostly left out, so that bodies with one odd field are common. */
const rarely = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null | undefined> =>
  fc.oneof({ weight: 16, arbitrary: fc.constant(undefined) }, fc.constant(null), { weight: 3, arbitrary: value });

const common = {
  max_tokens: rarely(number),
  min_tokens: rarely(number),
  temperature: rarely(number),
  top_p: rarely(number),
  top_k: rarely(number),
  min_p: rarely(number),
  seed: rarely(number),
  stop: rarely(fc.oneof(string, fc.array(string, { maxLength: 20, size: 'max' }))),
  stop_token_ids: rarely(fc.array(number, { maxLength: 18, size: 'max' })),
  presence_penalty: rarely(number),
  frequency_penalty: rarely(number),
  repetition_penalty: rarely(number),
  logit_bias: rarely(fc.dictionary(key, number, { maxKeys: 3 })),
};
const call = fc.record({ id: string, function: fc.record({ name: string, arguments: string }) });
const message = fc.oneof(
  fc.record({ role: fc.constantFrom('system', 'developer', 'user'), content: string }),
  fc.record({ role: fc.constant('assistant'), content: string, tool_calls: rarely(fc.array(call, { maxLength: 2 })) }),
  fc.record({ role: fc.constant('tool'), content: string, tool_call_id: string }),
);
const tool = fc.record({ type: fc.constant('function'), function: fc.record({ name: string }) });
const chunk = fc.record({ id: string, text: string, source: string, source_version: rarely(string) });
const chat = fc.record({
  ...common,
  model: fc.constant('m'),
  messages: fc.array(message, { maxLength: 3 }),
  tools: rarely(fc.array(tool, { maxLength: 2 })),
  max_completion_tokens: rarely(number),
  logprobs: rarely(fc.boolean()),
  top_logprobs: rarely(number),
  holdfast: rarely(fc.record({ chunks: rarely(fc.array(chunk, { maxLength: 2 })) })),
});
const completion = fc.record({
  ...common,
  model: fc.constant('m'),
  prompt: fc.oneof(string, fc.array(string, { maxLength: 1 }), fc.array(number, { maxLength: 3 })),
  logprobs: rarely(number),
});

/** What the schema makes of it; null when it refuses. */
const taken = <Request>(parse: (body: unknown) => Request, body: unknown): Request | null => {
  try {
    return parse(body);
  } catch {
    return null; // Refused with reasons, which openai.int.spec.ts reads.
  }
};
const sampling = (request: CommonRequest, maxTokens: unknown, logprobs: unknown): object =>
  samplingOf(request, {
    maxTokens: maxTokens as number | undefined,
    logprobs: logprobs as number | undefined,
    form: undefined,
  });

const RUNS = { numRuns: 5_000 };
/** Of the runs, so that the property is not empty. */
const LEAST_TAKEN = 100;

/** Whatever `parse` takes of the bodies makes a turn that RunTurn's schema takes. */
const holds = <Request>(
  bodies: fc.Arbitrary<unknown>,
  parse: (body: unknown) => Request,
  turnOf: (request: Request) => object,
): void => {
  let count = 0;
  fc.assert(
    fc.property(bodies, (body) => {
      const request = taken(parse, JSON.parse(JSON.stringify(body)));
      if (request === null) return;
      count += 1;
      checkRequest(requestSchemas.runTurn, { requestId: 'r', programId: 'p', ...turnOf(request) });
    }),
    RUNS,
  );
  expect(count).toBeGreaterThan(LEAST_TAKEN);
};

const part = fc.record({ type: fc.constantFrom('text', 'text', 'text', 'image_url'), text: string });
/** Of members that clients send along, and of some that mean something elsewhere. */
const others = fc.constantFrom(
  {},
  {},
  { refusal: null },
  { name: 'n' },
  { tool_calls: null },
  { content: [] },
  { role: 7 },
);
const plainish = fc.record({
  model: fc.constantFrom('m', 'm', 'm', '', 7),
  messages: fc.array(
    fc
      .tuple(
        fc.oneof(message, fc.record({ role: fc.constant('user'), content: fc.array(part, { maxLength: 2 }) })),
        others,
      )
      .map(([said, more]) => ({ ...more, ...said })),
    { maxLength: 4 },
  ),
  stream: rarely(fc.constantFrom(true, false, 'yes')),
  stream_options: rarely(fc.constantFrom({ include_usage: true }, { include_usage: null, other: 1 }, 7)),
  max_tokens: rarely(number),
  max_completion_tokens: rarely(number),
  temperature: rarely(number),
  top_p: rarely(number),
  seed: rarely(number),
  parallel_tool_calls: rarely(fc.constantFrom(true, 'no')),
  tools: rarely(
    fc.array(
      fc.oneof(
        tool,
        fc.record({
          function: fc.record({ strict: fc.boolean(), parameters: others, name: string }),
          type: fc.constant('function'),
        }),
        fc.record({
          other: fc.constant(1),
          type: fc.constant('function'),
          function: fc.record({ name: fc.constant('f') }),
        }),
      ),
      { maxLength: 2 },
    ),
  ),
  stop: rarely(string),
  user: rarely(string),
});

/** What the rest of the service reads of a request. */
const readOf = (request: ChatRequest): object => ({
  messages: wireMessages(request.messages),
  tools: toolsJsonOf(request),
  sampling: sampling(request, request.max_completion_tokens ?? request.max_tokens, undefined),
  stream: [request.model, request.stream ?? false, request.stream_options?.include_usage ?? false],
  isParallel: request.parallel_tool_calls ?? true,
});

describe('a plain chat', () => {
  it('is refused or means what the whole schema makes of it', () => {
    let plain = 0;
    fc.assert(
      fc.property(plainish, (given) => {
        const body = JSON.parse(JSON.stringify(given)) as { messages: unknown };
        const request = taken(parseChatRequest, body);
        const checked = taken(checkedChatRequest, body);
        expect(request && readOf(request)).toEqual(checked && readOf(checked));
        // What is taken as it stands is not copied.
        if (request?.messages === body.messages) plain += 1;
      }),
      RUNS,
    );
    expect(plain).toBeGreaterThan(LEAST_TAKEN);
  });
});

describe('what the schemas of the OpenAI form take', () => {
  it('is a turn for RunTurn, as a chat', () => {
    holds(chat, parseChatRequest, (request) => {
      const { max_completion_tokens: most, max_tokens: older, logprobs, top_logprobs: top } = request;
      const messages = wireMessages(request.messages);
      return {
        input: { $case: 'conversation', value: { messages, toolsJson: toolsJsonOf(request) } },
        sampling: sampling(request, most ?? older, logprobs === true ? (top ?? 0) : undefined),
        chunks: wireChunks(request.holdfast),
      };
    });
  });

  it('is a turn for RunTurn, as a completion', () => {
    holds(completion, parseCompletionRequest, (request) => ({
      input: { $case: 'prompt', value: { ids: [] } },
      sampling: sampling(request, request.max_tokens, request.logprobs),
      chunks: [],
    }));
  });
});
