import { program as wire } from '@holdfast/contracts';
import { createHash } from 'node:crypto';

/** Messages with a codec of their own. */
interface Codec<Message> {
  readonly encode: (message: Message) => { finish(): Uint8Array };
}

/** Pure. SHA-256 of a request's meaning, in hex: equal for equal messages, however they were encoded on the wire. */
export const requestDigest = <Message>(codec: Codec<Message>, request: Message): string =>
  createHash('sha256').update(codec.encode(request).finish()).digest('hex');

/** Pure. The same for a turn, without encoding a long prompt once more: its ids are hashed as they are. */
export const turnDigest = (request: wire.RunTurnRequest): string => {
  const { input } = request;
  if (input?.$case !== 'append' && input?.$case !== 'prompt') return requestDigest(wire.RunTurnRequest, request);
  const rest = wire.RunTurnRequest.encode({ ...request, input: undefined }).finish();
  const ids = Uint32Array.from(input.value.ids);
  return createHash('sha256')
    .update(rest)
    .update(input.$case)
    .update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength))
    .digest('hex');
};
