import { type ClientReadableStream, Metadata, type ServiceError, type status } from '@grpc/grpc-js';

/** Where the messages of one answer come from: a call of its own, or one request of a request stream. */
export interface MessageSource<Message> {
  /** The next buffered message. */
  read(): Message | undefined;
  /** True once the answer has ended in order and everything was read. */
  ended(): boolean;
  /** Why it ended otherwise. */
  failure(): ServiceError | undefined;
  /** Calls `wake` at every event from now on. */
  onNews(wake: () => void): void;
  /** Aborts the request in the engine, which is then the failure. Nothing happens when it has ended. */
  cancel(): void;
}

/** The source of a server stream. */
export const callSource = <Message>(stream: ClientReadableStream<Message>): MessageSource<Message> => {
  let hasEnded = false;
  let failure: ServiceError | undefined;
  let news: () => void = () => undefined;
  stream.on('readable', () => news());
  stream.on('end', () => {
    hasEnded = true;
    news();
  });
  // Stays attached for good: an error after the loop has ended (the cancellation itself) must not become an exception.
  stream.on('error', (error: ServiceError) => {
    failure ??= error;
    news();
  });
  return {
    read: () => (stream.read() as Message | null) ?? undefined,
    ended: () => hasEnded,
    failure: () => failure,
    onNews: (wake) => void (news = wake),
    cancel: () => stream.cancel(),
  };
};

/** Pure. The error of a call that ended with this status. */
export const serviceError = (code: status, details: string, metadata = new Metadata()): ServiceError =>
  Object.assign(new Error(details), { code, details, metadata });
