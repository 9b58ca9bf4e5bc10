import { type Client, credentials } from '@grpc/grpc-js';
import { engine } from '@holdfast/contracts';
import type { VllmTimeouts } from './options.js';
import { RequestStream } from './request-stream.js';

/** The request stream of an engine, where it has one. Without one, each turn is a Generate call. */
export class RequestStreams {
  readonly #client: engine.RequestStreamServiceClient;
  readonly #timeouts: Required<VllmTimeouts>;
  #stream: RequestStream | undefined;
  #isClosed = false;
  /** When a stream that broke may be opened anew; undefined where the engine offers none. */
  #retryAtMs: number | undefined;

  /** `vllmEngine` is a client of the engine's address; its connection is used. */
  constructor(address: string, vllmEngine: Client, timeouts: Required<VllmTimeouts>) {
    const channelOverride = vllmEngine.getChannel();
    this.#client = new engine.RequestStreamServiceClient(address, credentials.createInsecure(), { channelOverride });
    this.#timeouts = timeouts;
  }

  /** Opens a stream if the engine offers one and none is open. Modifies state. */
  async open(): Promise<void> {
    if (this.#isClosed || this.#stream?.isOpen === true) return;
    const stream = await RequestStream.open(this.#client, this.#timeouts.unaryMs);
    this.#retryAtMs = stream === undefined ? undefined : 0;
    this.#adopt(stream);
  }

  /**
   * The open stream. One that broke, as a proxy may cut it after a time, is opened anew in the background, at most once in
   * `maxReconnectMs`. Modifies state.
   */
  current(): RequestStream | undefined {
    if (this.#stream?.isOpen === true) return this.#stream;
    if (!this.#isClosed && this.#retryAtMs !== undefined && Date.now() >= this.#retryAtMs) {
      this.#retryAtMs = Date.now() + this.#timeouts.maxReconnectMs;
      void RequestStream.open(this.#client, this.#timeouts.unaryMs).then((stream) => this.#adopt(stream));
    }
    return undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
  }

  /** One is enough: of two that were opened at the same time the second is closed. */
  #adopt(stream: RequestStream | undefined): void {
    if (this.#isClosed || this.#stream?.isOpen === true) stream?.close();
    else this.#stream = stream;
  }
}
