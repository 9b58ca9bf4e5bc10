import { DomainError, invalidFields } from '@holdfast/platform';
import type { IncomingMessage } from 'node:http';

/**
 * The JSON body of a request.
 *
 * @throws DomainError MESSAGE_TOO_LARGE, FIELD_INVALID for what is no JSON, CALLER_CANCELLED when the client left.
 */
export const readJsonBody = async (request: IncomingMessage, maxBytes: number): Promise<unknown> => {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw tooLarge(declared, maxBytes);
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > maxBytes) throw tooLarge(bytes, maxBytes);
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof DomainError) throw error;
    throw new DomainError({ kind: 'cancelled', reason: 'CALLER_CANCELLED', message: 'the client left', cause: error });
  }
  return parsed(Buffer.concat(pieces));
};

const parsed = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
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
