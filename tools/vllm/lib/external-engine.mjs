import { connect } from 'node:net';

const CONNECT_TIMEOUT_MS = 5_000;

/** The engine that the user runs already (HOLDFAST_VLLM_URL), as host:port; undefined when there is none. */
export const externalEngine = () => {
  const configured = process.env.HOLDFAST_VLLM_URL;
  if (!configured) return undefined;
  const address = configured.replace(/^[a-z]+:\/\//, '').replace(/\/$/, '');
  const port = Number(address.split(':').at(-1));
  if (!/^.+:\d+$/.test(address) || port < 1 || port > 65_535) {
    throw new Error(
      `HOLDFAST_VLLM_URL is "${configured}"; allowed is host:port or grpc://host:port of "vllm serve --grpc"`,
    );
  }
  return address;
};

/** Resolves when something listens there. */
export const checkReachable = (address) =>
  new Promise((resolve, reject) => {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
    const socket = connect({ host, port: Number(address.slice(colon + 1)), timeout: CONNECT_TIMEOUT_MS });
    const fail = (why) => {
      socket.destroy();
      reject(new Error(`nothing answers at ${address} (HOLDFAST_VLLM_URL): ${why}`));
    };
    socket.on('connect', () => {
      socket.end();
      resolve();
    });
    socket.on('timeout', () => fail(`no connection within ${CONNECT_TIMEOUT_MS} ms`));
    socket.on('error', (error) => fail(error.message));
  });
