import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type engine, STATUS_DETAILS_KEY, vllm } from '@holdfast/contracts';
import { type MessageSource, serviceError } from './message-source.js';

/**
 * Answers that the engine may send ahead of their reader. Most are read at once, and then more are granted half a window at a
 * time; a reader that stops holds back this many messages, and the engine the rest.
 */
export const WINDOW = 64;

/** What one request needs of the stream that it is on. */
export interface CallChannel {
  grant(responses: number): void;
  cancel(): void;
}

/** One request on a request stream, as its reader sees it. */
export class StreamedCall implements MessageSource<vllm.GenerateResponse> {
  readonly #channel: CallChannel;
  readonly #held: vllm.GenerateResponse[] = [];
  #readSinceGrant = 0;
  #isOpen = true;
  #failure: ServiceError | undefined;
  #news: () => void = () => undefined;

  constructor(channel: CallChannel) {
    this.#channel = channel;
  }

  read(): vllm.GenerateResponse | undefined {
    const message = this.#held.shift();
    if (message !== undefined && this.#isOpen && ++this.#readSinceGrant >= WINDOW / 2) {
      this.#channel.grant(this.#readSinceGrant);
      this.#readSinceGrant = 0;
    }
    return message;
  }

  ended(): boolean {
    return !this.#isOpen && this.#held.length === 0;
  }

  failure(): ServiceError | undefined {
    return this.#failure;
  }

  onNews(wake: () => void): void {
    this.#news = wake;
  }

  cancel(): void {
    if (!this.#isOpen) return;
    this.#channel.cancel();
    this.fail(serviceError(status.CANCELLED, 'cancelled by the caller'));
  }

  /** Takes what the engine sent for this request. Modifies state. */
  accept({ generateResponse, end }: engine.RunResponse): void {
    if (generateResponse.length > 0) this.#hold(generateResponse);
    if (end !== undefined && this.#isOpen) {
      this.#isOpen = false;
      if (end.code !== status.OK) this.#failure = failureOf(end);
    }
    this.#news();
  }

  /** The request has ended with this. Modifies state. */
  fail(failure: ServiceError): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#failure = failure;
    this.#news();
  }

  #hold(bytes: Buffer): void {
    if (this.#held.length === WINDOW) return this.#refuse(`more answers than the ${WINDOW} that were granted`);
    try {
      this.#held.push(vllm.GenerateResponse.decode(bytes));
    } catch (error) {
      this.#refuse(`an answer of ${bytes.length} bytes cannot be parsed: ${(error as Error).message}`);
    }
  }

  #refuse(what: string): void {
    if (this.#isOpen) this.#channel.cancel();
    this.fail(serviceError(status.INTERNAL, what));
  }
}

const failureOf = ({ code, message, details }: engine.CallEnd): ServiceError => {
  const metadata = new Metadata();
  if (details.length > 0) metadata.set(STATUS_DETAILS_KEY, details);
  return serviceError(code, message, metadata);
};
