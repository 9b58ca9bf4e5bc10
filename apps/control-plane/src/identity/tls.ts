/** Certificates of the two ports, from files; read once, at the start. */
import { ServerCredentials } from '@grpc/grpc-js';
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.js';

/** The part of the configuration that is about TLS. */
type TlsConfig = Pick<Config, 'HOLDFAST_TLS_CERT' | 'HOLDFAST_TLS_KEY' | 'HOLDFAST_TLS_CLIENT_CA'>;

/** A certificate chain and its key, PEM. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * What the ports show of themselves; null for plain text.
 *
 * @throws Error naming the setting of a file that cannot be read.
 */
export const readTls = (config: TlsConfig): TlsFiles | null => {
  const { HOLDFAST_TLS_CERT: cert, HOLDFAST_TLS_KEY: key } = config;
  if (cert === undefined || key === undefined) return null;
  return { cert: readPem('HOLDFAST_TLS_CERT', cert), key: readPem('HOLDFAST_TLS_KEY', key) };
};

/** Credentials of the gRPC port: plain, TLS, or mutual TLS when there is an authority for callers. */
export const grpcCredentials = (config: TlsConfig): ServerCredentials => {
  const tls = readTls(config);
  if (tls === null) return ServerCredentials.createInsecure();
  const { HOLDFAST_TLS_CLIENT_CA: clientCa } = config;
  const authorities = clientCa === undefined ? null : readPem('HOLDFAST_TLS_CLIENT_CA', clientCa);
  return ServerCredentials.createSsl(
    authorities,
    [{ cert_chain: tls.cert, private_key: tls.key }],
    authorities !== null,
  );
};

const readPem = (setting: string, file: string): Buffer => {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`${setting} is ${file}, which cannot be read: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
};
