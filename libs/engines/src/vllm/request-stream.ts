import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import type { engine, vllm } from '@holdfast/contracts';
import { type MessageSource, serviceError } from './message-source.js';
import { StreamedCall, WINDOW } from './streamed-call.js';

/** Trace context of one request, as of W3C. */
interface StreamTrace {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

const LARGEST_CALL_ID = 0xffff_ffff;

/** Of requests that the connection has not taken yet; with more, the stream takes no further one. */
const MAX_UNSENT_BYTES = 4 * 1_024 * 1_024;

/** What came of opening one. `failed` says nothing about what the engine offers. */
type OpenedStream = RequestStream | 'not offered' | 'failed';

/** An open stream of holdfast.engine.v1.RequestStreamService. When it breaks, its requests fail with it. */
export class RequestStream {
  readonly #stream: ClientDuplexStream<engine.RunRequest, engine.RunResponse>;
  readonly #calls = new Map<number, StreamedCall>();
  #lastCallId = 0;
  #isOpen = true;
  #unsentBytes = 0;
  #heardAtMs = performance.now();

  private constructor(stream: ClientDuplexStream<engine.RunRequest, engine.RunResponse>) {
    this.#stream = stream;
    stream.on('data', (response: engine.RunResponse) => this.#accept(response));
    stream.on('error', ({ details }: ServiceError) => this.#close(details));
    stream.on('end', () => this.#close('the engine ended it'));
  }

  /** Resolves with an open stream, or with why there is none. */
  static open(client: engine.RequestStreamServiceClient, withinMs: number): Promise<OpenedStream> {
    const stream = client.run();
    const opened = new RequestStream(stream);
    return new Promise((resolve) => {
      const settle = (result: OpenedStream): void => {
        clearTimeout(timer);
        resolve(result);
      };
      const timer = setTimeout(() => {
        settle('failed');
        opened.close();
      }, withinMs);
      stream.once('metadata', () => settle(opened));
      stream.once('error', ({ code }: ServiceError) =>
        settle(code === status.UNIMPLEMENTED ? 'not offered' : 'failed'),
      );
      stream.once('end', () => settle('failed'));
    });
  }

  /** False once the stream has ended. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** True while the connection does not take what is sent. */
  get isFull(): boolean {
    return this.#unsentBytes > MAX_UNSENT_BYTES;
  }

  /** How long nothing has come over it, in milliseconds. */
  get silentMs(): number {
    return performance.now() - this.#heardAtMs;
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
    this.#close('it was closed here');
    this.#stream.cancel();
  }

  #nextCallId(): number {
    do this.#lastCallId = this.#lastCallId === LARGEST_CALL_ID ? 1 : this.#lastCallId + 1;
    while (this.#calls.has(this.#lastCallId));
    return this.#lastCallId;
  }

  #send(request: engine.RunRequest): void {
    if (!this.#isOpen) return;
    const bytes = request.action?.$case === 'start' ? request.action.value.generateRequest.length : 0;
    this.#unsentBytes += bytes;
    this.#stream.write(request, () => (this.#unsentBytes -= bytes));
  }

  /** Of a request that was cancelled meanwhile, news may still be on its way. */
  #accept(response: engine.RunResponse): void {
    this.#heardAtMs = performance.now();
    const call = this.#calls.get(response.callId);
    if (response.end !== undefined) this.#calls.delete(response.callId);
    call?.accept(response);
  }

  /**
   * Whatever ended it, no request is to blame: each fails as if the engine could not be reached, and whoever asked looks whether
   * that is so. A proxy that cuts a stream, for one, says INTERNAL.
   */
  #close(why: string): void {
    this.#isOpen = false;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(serviceError(status.UNAVAILABLE, `the request stream broke: ${why}`));
  }
}
