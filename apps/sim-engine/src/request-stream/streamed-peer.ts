import { Metadata, status } from '@grpc/grpc-js';
import { type engine, STATUS_DETAILS_KEY, vllm } from '@holdfast/contracts';
import { type ErrorLogger, toGrpcStatus } from '@holdfast/platform';
import type { GeneratePeer } from '../vllm/generate-peer.js';

/** What is sent for one request. */
export type News = Omit<engine.RunResponse, 'callId'>;

/** What one request needs of the stream that it is on. */
export interface PeerChannel {
  /** Sends news of the request. False: the stream takes no more until it drains. */
  send(news: News): boolean;
  /** The request has ended; nothing is sent for it any more. */
  ended(): void;
}

const NOTHING = Buffer.alloc(0);

const ENDED_WELL: engine.CallEnd = { code: status.OK, message: '', details: NOTHING };

/** Pure, but for the log line that a logger gets: the end of a request that failed. */
export const endWith = (error: unknown, logger?: ErrorLogger): News => {
  const { code, details: message, metadata } = toGrpcStatus(error, logger);
  const [details] = metadata.get(STATUS_DETAILS_KEY);
  return { generateResponse: NOTHING, end: { code, message, details: Buffer.isBuffer(details) ? details : NOTHING } };
};

/** One request of a request stream. It may send as many messages as its caller has granted. */
export class StreamedPeer implements GeneratePeer {
  readonly request: vllm.GenerateRequest;
  readonly metadata = new Metadata();
  private readonly drainListeners: (() => void)[] = [];
  private readonly cancelListeners: (() => void)[] = [];
  private window: number;
  private isOpen = true;

  constructor(
    start: engine.StartAction,
    request: vllm.GenerateRequest,
    private readonly channel: PeerChannel,
  ) {
    this.request = request;
    this.window = start.window;
    if (start.traceparent !== '') this.metadata.set('traceparent', start.traceparent);
    if (start.tracestate !== '') this.metadata.set('tracestate', start.tracestate);
  }

  write(response: vllm.GenerateResponse): boolean {
    return this.send(response, undefined) && this.window > 0;
  }

  end(last: vllm.GenerateResponse): void {
    this.send(last, ENDED_WELL);
    this.close();
  }

  fail(error: unknown): void {
    if (this.isOpen) this.channel.send(endWith(error));
    this.close();
  }

  onDrain(listener: () => void): void {
    this.drainListeners.push(listener);
  }

  onCancelled(listener: () => void): void {
    this.cancelListeners.push(listener);
  }

  /** The caller lets it send more. Modifies state. */
  grant(responses: number): void {
    this.window += responses;
    this.drained();
  }

  /** The stream takes messages again. */
  drained(): void {
    if (this.isOpen && this.window > 0) for (const listener of this.drainListeners) listener();
  }

  /** The caller wants the request no more, or is gone. Modifies state. */
  cancel(): void {
    if (!this.isOpen) return;
    this.close();
    for (const listener of this.cancelListeners) listener();
  }

  private send(response: vllm.GenerateResponse, end: engine.CallEnd | undefined): boolean {
    if (!this.isOpen) return true;
    this.window -= 1;
    return this.channel.send({ generateResponse: Buffer.from(vllm.GenerateResponse.encode(response).finish()), end });
  }

  private close(): void {
    this.isOpen = false;
    this.channel.ended();
  }
}
