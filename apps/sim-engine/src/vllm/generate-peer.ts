import type { Metadata, ServerWritableStream } from '@grpc/grpc-js';
import type { vllm } from '@holdfast/contracts';
import { toGrpcStatus } from '@holdfast/platform';

/** Who asked for a request and reads its answer: a Generate call of its own, or one of many on a request stream. */
export interface GeneratePeer {
  readonly request: vllm.GenerateRequest;
  /** With the caller's trace context, if it has one. */
  readonly metadata: Metadata;
  /** Sends a message. False: the peer takes no further one until it drains. */
  write(response: vllm.GenerateResponse): boolean;
  /** Sends the last message and ends the answer. */
  end(last: vllm.GenerateResponse): void;
  /** Ends the answer with an error. */
  fail(error: unknown): void;
  /** Calls `listener` whenever the peer takes messages again. */
  onDrain(listener: () => void): void;
  /** Calls `listener` when the peer is gone or wants the request no more. */
  onCancelled(listener: () => void): void;
}

/** The peer of a Generate call. */
export const callPeer = (call: ServerWritableStream<vllm.GenerateRequest, vllm.GenerateResponse>): GeneratePeer => ({
  request: call.request,
  metadata: call.metadata,
  write: (response) => call.write(response),
  end: (last) => {
    call.write(last);
    call.end();
  },
  fail: (error) => void call.emit('error', toGrpcStatus(error)),
  onDrain: (listener) => void call.on('drain', listener),
  onCancelled: (listener) => void call.on('cancelled', listener),
});
