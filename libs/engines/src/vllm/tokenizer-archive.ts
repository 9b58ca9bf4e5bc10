import { createHash } from 'node:crypto';
import { EngineError } from '../engine-error.js';
import type { EngineLink } from './engine-link.js';
import { callSource } from './message-source.js';
import { pullMessages } from './pull-messages.js';

/** Archives of real models are 0.5 to 20 MB. */
const MAX_ARCHIVE_BYTES = 256 * 1024 * 1024;

/** See `EngineClient.tokenizerArchive`. */
export const readTokenizerArchive = async (link: EngineLink): Promise<Uint8Array> => {
  const { engine, engineId, timeouts } = link;
  const pull = { engineId, method: 'GetTokenizer', client: engine, signal: new AbortController().signal };
  const limits = { firstMessageMs: timeouts.streamIdleMs, idleMs: timeouts.streamIdleMs };
  const hash = createHash('sha256');
  const parts: Buffer[] = [];
  let bytes = 0;
  let announced = '';
  for await (const chunk of pullMessages(callSource(engine.getTokenizer({})), { ...pull, ...limits })) {
    bytes += chunk.data.length;
    if (bytes > MAX_ARCHIVE_BYTES) throw violation(link, `more than ${MAX_ARCHIVE_BYTES} bytes came`);
    hash.update(chunk.data);
    parts.push(chunk.data);
    if (chunk.sha256 !== '') announced = chunk.sha256.toLowerCase();
  }
  const actual = hash.digest('hex');
  if (announced !== actual) {
    throw violation(link, `the SHA-256 of the ${bytes} bytes is ${actual}, announced was "${announced}"`);
  }
  return Buffer.concat(parts, bytes);
};

const violation = ({ engineId }: EngineLink, message: string): EngineError =>
  new EngineError({
    reason: 'ENGINE_PROTOCOL_VIOLATED',
    engineId,
    message: `GetTokenizer: ${message}`,
    retryable: true,
  });
