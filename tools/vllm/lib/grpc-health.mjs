import { Buffer } from 'node:buffer';
import { connect } from 'node:http2';
import { clearTimeout, setTimeout } from 'node:timers';

const CALL_TIMEOUT_MS = 2_000;
const SERVING = 1;

/**
 * Asks grpc.health.v1 whether the server serves: a HealthCheckRequest without fields is an empty message, and in the
 * answer field 1 is the status. Never rejects: what cannot be asked does not serve.
 */
export const isServing = (address) =>
  new Promise((resolve) => {
    const session = connect(`http://${address}`);
    const chunks = [];
    const end = (answer) => {
      clearTimeout(timer);
      session.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), CALL_TIMEOUT_MS);
    session.on('error', () => end(false));
    const call = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    call.on('error', () => end(false));
    call.on('data', (chunk) => chunks.push(chunk));
    call.on('end', () => {
      // 5 bytes of framing, then tag 0x08 (field 1, varint) and the value.
      const [tag, status] = Buffer.concat(chunks).subarray(5);
      end(tag === 0x08 && status === SERVING);
    });
    call.end(Buffer.alloc(5));
  });
