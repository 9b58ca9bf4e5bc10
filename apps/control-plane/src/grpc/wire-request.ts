import { DomainError, invalidFields } from '@holdfast/platform';

/** A request as it came off the wire: decoded, or with what is wrong with it. */
export type WireRequest<Message> =
  { readonly ok: true; readonly message: Message } | { readonly ok: false; readonly error: DomainError };

/** The part of a generated service definition that is wrapped here. */
interface MethodDefinition {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
}

/**
 * Pure. A service definition whose requests arrive as {@link WireRequest}. grpc-js answers a message that it cannot
 * take with a bare status; this way the caller gets reason and details like for any other error.
 */
export const withWireRequests = <Definition extends Readonly<Record<string, MethodDefinition>>>(
  definition: Definition,
  maxBytes: number,
): Definition => {
  const wrapped = Object.entries(definition).map(([name, method]) => [
    name,
    { ...method, requestDeserialize: (bytes: Buffer) => read(bytes, maxBytes, method.requestDeserialize) },
  ]);
  return Object.fromEntries(wrapped) as Definition;
};

const read = (bytes: Buffer, maxBytes: number, decode: (bytes: Buffer) => unknown): WireRequest<unknown> => {
  if (bytes.length > maxBytes) return { ok: false, error: tooLarge(bytes.length, maxBytes) };
  try {
    return { ok: true, message: decode(bytes) };
  } catch (error) {
    const description = `is no message of this type (${error instanceof Error ? error.message : 'unreadable'})`;
    return { ok: false, error: invalidFields([{ field: '(request)', description }]) };
  }
};

const tooLarge = (bytes: number, maxBytes: number): DomainError =>
  new DomainError({
    kind: 'invalid',
    reason: 'MESSAGE_TOO_LARGE',
    message: `the message has ${bytes} bytes; allowed: ${maxBytes}`,
    metadata: { maxBytes: String(maxBytes) },
  });
