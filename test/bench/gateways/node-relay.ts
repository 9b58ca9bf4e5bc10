/**
 * What a gateway costs on Node that does nothing but relay: no keys, no validation, no tokens, no books. Text goes to the
 * engine as it is, and back as server-sent events. Usage: node-relay.js ENGINE_ADDRESS; says its port as a line of JSON.
 */
import { credentials } from '@grpc/grpc-js';
import { vllm } from '@holdfast/contracts';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { rendered, type Message } from './http-chat.js';

interface Body {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly max_tokens: number;
}

const client = new vllm.VllmEngineClient(process.argv[2] ?? '', credentials.createInsecure());
let requests = 0;

const relay = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { model, messages, max_tokens: maxTokens } = (await json(request)) as Body;
  requests += 1;
  const id = `relay-${requests}`;
  const event = (delta: object, finish: string | null): string =>
    `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const answer = client.generate(
    vllm.GenerateRequest.create({
      requestId: id,
      input: { $case: 'text', value: rendered(messages) },
      samplingParams: vllm.SamplingParams.create({ maxTokens }),
      stream: true,
    }),
  );
  response.setHeader('content-type', 'text/event-stream');
  for await (const message of answer as AsyncIterable<vllm.GenerateResponse>) {
    if (message.response?.$case !== 'chunk') continue;
    response.write(event({ content: Buffer.from(message.response.value.tokenIds).toString('utf8') }, null));
  }
  response.end(`${event({}, 'stop')}data: [DONE]\n\n`);
};

const server = createServer((request, response) => {
  relay(request, response).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    response.destroy();
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ event: 'ready', port: String((server.address() as AddressInfo).port) }));
});
process.once('SIGTERM', () => process.exit(0));
