import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import type { engine, vllm } from '@holdfast/contracts';
import { type MessageSource, serviceError } from './message-source.js';
import { StreamedCall, WINDOW } from './streamed-call.js';

/** Trace context of one request, as of W3C. */
export interface StreamTrace {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

const LARGEST_CALL_ID = 0xffff_ffff;

/** An open stream of holdfast.engine.v1.RequestStreamService. When it breaks, its requests fail with it. */
export class RequestStream {
  readonly #stream: ClientDuplexStream<engine.RunRequest, engine.RunResponse>;
  readonly #calls = new Map<number, StreamedCall>();
  #lastCallId = 0;
  #isOpen = true;

  private constructor(stream: ClientDuplexStream<engine.RunRequest, engine.RunResponse>) {
    this.#stream = stream;
    stream.on('data', (response: engine.RunResponse) => this.#accept(response));
    stream.on('error', (error: ServiceError) => this.#close(error));
    stream.on('end', () => this.#close(serviceError(status.UNAVAILABLE, 'the engine ended the request stream')));
  }

  /** Resolves with an open stream, or with undefined where the engine does not offer one within the time. */
  static open(client: engine.RequestStreamServiceClient, withinMs: number): Promise<RequestStream | undefined> {
    const stream = client.run();
    const opened = new RequestStream(stream);
    return new Promise((resolve) => {
      const late = setTimeout(() => stream.cancel(), withinMs);
      const settle = (result: RequestStream | undefined): void => {
        clearTimeout(late);
        resolve(result);
      };
      stream.once('metadata', () => settle(opened.isOpen ? opened : undefined));
      stream.once('error', () => settle(undefined));
      stream.once('end', () => settle(undefined));
    });
  }

  /** False once the stream has ended. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Starts a request: a serialized GenerateRequest. Modifies state. */
  start(
    generateRequest: Buffer,
    { traceparent = '', tracestate = '' }: StreamTrace,
  ): MessageSource<vllm.GenerateResponse> {
    const callId = this.#nextCallId();
    const call = new StreamedCall({
      grant: (responses) => this.#send({ callId, action: { $case: 'grant', value: { responses } } }),
      cancel: () => {
        this.#calls.delete(callId);
        this.#send({ callId, action: { $case: 'cancel', value: {} } });
      },
    });
    this.#calls.set(callId, call);
    const value = { generateRequest, window: WINDOW, traceparent, tracestate };
    this.#send({ callId, action: { $case: 'start', value } });
    return call;
  }

  /** Ends the stream; requests on it fail. Modifies state. */
  close(): void {
    this.#stream.cancel();
  }

  #nextCallId(): number {
    do this.#lastCallId = this.#lastCallId === LARGEST_CALL_ID ? 1 : this.#lastCallId + 1;
    while (this.#calls.has(this.#lastCallId));
    return this.#lastCallId;
  }

  #send(request: engine.RunRequest): void {
    if (this.#isOpen) this.#stream.write(request);
  }

  /** Of a request that was cancelled meanwhile, news may still be on its way. */
  #accept(response: engine.RunResponse): void {
    const call = this.#calls.get(response.callId);
    if (response.end !== undefined) this.#calls.delete(response.callId);
    call?.accept(response);
  }

  #close(failure: ServiceError): void {
    this.#isOpen = false;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(failure);
  }
}
