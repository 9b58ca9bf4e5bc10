import { type Client, credentials } from '@grpc/grpc-js';
import { engine } from '@holdfast/contracts';
import { EngineError } from '../engine-error.js';
import type { VllmTimeouts } from './options.js';
import { RequestStream } from './request-stream.js';

/** The request stream of an engine, where it has one. Without one, each turn is a Generate call. */
export class RequestStreams {
  readonly #client: engine.RequestStreamServiceClient;
  readonly #timeouts: Required<VllmTimeouts>;
  #stream: RequestStream | undefined;
  /** Of the engine when the stream was opened. */
  #epoch = '';
  #isClosed = false;
  /** When a stream that broke may be opened anew; undefined where the engine offers none. */
  #retryAtMs: number | undefined;

  /** `vllmEngine` is a client of the engine's address; its connection is used. */
  constructor(address: string, vllmEngine: Client, timeouts: Required<VllmTimeouts>) {
    const channelOverride = vllmEngine.getChannel();
    this.#client = new engine.RequestStreamServiceClient(address, credentials.createInsecure(), { channelOverride });
    this.#timeouts = timeouts;
  }

  /** Opens a stream if the engine of this epoch offers one and none is open to it. Modifies state. */
  async open(epoch: string): Promise<void> {
    // A connection may lead to another engine by now, and the stream still to the old one.
    if (epoch !== this.#epoch) this.#stream?.close();
    this.#epoch = epoch;
    await this.#open();
  }

  /**
   * The open stream, unless it is full. One that broke, as a proxy may cut it after a time, is opened anew in the background,
   * at most once in `maxReconnectMs`. Modifies state.
   */
  current(): RequestStream | undefined {
    if (this.#stream?.isOpen === true) return this.#stream.isFull ? undefined : this.#stream;
    if (this.#retryAtMs !== undefined && Date.now() >= this.#retryAtMs) void this.#open();
    return undefined;
  }

  /**
   * A request has failed. Gives the stream up if nothing came over it for as long as a request may wait: the connection may
   * live, and nobody read the stream. Modifies state.
   */
  noteFailure(error: unknown): void {
    if (!(error instanceof EngineError) || error.reason !== 'ENGINE_DEADLINE') return;
    if (this.#stream !== undefined && this.#stream.silentMs >= this.#timeouts.firstMessageMs) this.#stream.close();
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
  }

  get #hasStream(): boolean {
    return this.#stream?.isOpen === true;
  }

  async #open(): Promise<void> {
    if (this.#isClosed || this.#hasStream) return;
    this.#retryAtMs = Date.now() + this.#timeouts.maxReconnectMs;
    const stream = await RequestStream.open(this.#client, this.#timeouts.unaryMs);
    if (stream === 'not offered') this.#retryAtMs = undefined;
    if (typeof stream === 'string') return;
    // One is enough: of two that were opened at the same time the second is closed.
    if (this.#isClosed || this.#hasStream) stream.close();
    else this.#stream = stream;
  }
}
