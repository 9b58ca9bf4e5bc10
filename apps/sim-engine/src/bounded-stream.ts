import type { ServerWritableStream } from '@grpc/grpc-js';
import { toGrpcStatus } from '@holdfast/platform';

/** What a {@link BoundedStream} may hold back, beside the 16 messages that the transport takes whatever their size. */
export interface StreamBound<Message> {
  /** Weight of all messages held back. */
  readonly maxWeight: number;
  /** Pure. Weight of one message. */
  readonly weigh: (message: Message) => number;
}

/**
 * A server stream to a peer that may be slow: what the transport does not take yet is held back in order, up to a bound.
 * What to do with a peer beyond the bound is the caller's decision.
 */
export class BoundedStream<Message> {
  private readonly held: Message[] = [];
  private heldWeight = 0;
  private isBlocked = false;
  private isOpen = true;

  constructor(
    private readonly call: ServerWritableStream<unknown, Message>,
    private readonly bound: StreamBound<Message>,
    /** Called once, when the peer is gone or the stream was ended. */
    private readonly onClose: () => void,
  ) {
    call.on('drain', () => this.onDrain());
    call.on('cancelled', () => this.close());
  }

  /** True while nothing is held back. */
  get isKeepingUp(): boolean {
    return !this.isBlocked;
  }

  /** Sends a message, or holds it back. False, and the message is dropped, when that would exceed the bound. */
  write(message: Message): boolean {
    if (!this.isOpen) return true;
    if (!this.isBlocked) {
      this.isBlocked = !this.call.write(message);
      return true;
    }
    const weight = this.bound.weigh(message);
    if (this.heldWeight + weight > this.bound.maxWeight) return false;
    this.heldWeight += weight;
    this.held.push(message);
    return true;
  }

  /** Ends the stream with an error; what is held back is lost. */
  fail(error: unknown): void {
    if (!this.isOpen) return;
    this.close();
    this.call.emit('error', toGrpcStatus(error));
  }

  private close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.held.length = 0;
    this.onClose();
  }

  private onDrain(): void {
    this.isBlocked = false;
    while (this.isOpen && !this.isBlocked) {
      const next = this.held.shift();
      if (next === undefined) return;
      this.heldWeight -= this.bound.weigh(next);
      this.isBlocked = !this.call.write(next);
    }
  }
}
