import { DomainError, invalidFields } from '@holdfast/platform';
import type { IncomingMessage } from 'node:http';
import getRawBody from 'raw-body';

/**
 * The JSON body of a request.
 *
 * @throws DomainError MESSAGE_TOO_LARGE, FIELD_INVALID for what is no JSON, CALLER_CANCELLED when the client left.
 */
export const readJsonBody = async (request: IncomingMessage, maxBytes: number): Promise<unknown> =>
  parsed(await bodyOf(request, maxBytes));

const bodyOf = async (request: IncomingMessage, maxBytes: number): Promise<Buffer> => {
  try {
    return await getRawBody(request, { length: request.headers['content-length'] ?? null, limit: maxBytes });
  } catch (error) {
    const { type, length, received } = error as Partial<getRawBody.RawBodyError>;
    if (type === 'entity.too.large') throw tooLarge(length ?? received ?? maxBytes + 1, maxBytes);
    throw new DomainError({ kind: 'cancelled', reason: 'CALLER_CANCELLED', message: 'the client left', cause: error });
  }
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

const parsed = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unreadable';
    throw invalidFields([{ field: '(body)', description: `is no JSON in UTF-8 (${why}); allowed: a JSON object` }]);
  }
};

const tooLarge = (bytes: number, maxBytes: number): DomainError =>
  new DomainError({
    kind: 'invalid',
    reason: 'MESSAGE_TOO_LARGE',
    message: `the body has ${bytes} bytes or more; allowed: ${maxBytes}`,
    metadata: { maxBytes: String(maxBytes) },
  });
