import type { PrefillCost } from '@holdfast/scheduling';

/** Certificates of an mTLS or TLS connection, PEM. */
export interface VllmTls {
  /** Authorities that may sign the engine's certificate; the system's when absent. */
  readonly rootCertificates?: Buffer;
  /** The client's own key and certificate, for mutual TLS. Both or none. */
  readonly privateKey?: Buffer;
  readonly certificateChain?: Buffer;
  /** The name to check in the certificate, where it is not the host of the address. */
  readonly serverName?: string;
}

/** How long the client waits, in milliseconds. */
export interface VllmTimeouts {
  /** A unary call, connecting included. Default 5,000. */
  readonly unaryMs?: number;
  /** From a turn's dispatch to its first message: queueing in the engine and prefill. Default 300,000. */
  readonly firstMessageMs?: number;
  /** Between two messages of a stream, while somebody waits for one. Default 60,000. */
  readonly streamIdleMs?: number;
  /** A ping on a connection with calls, to notice a dead peer. Default 60,000; engines dislike much less. */
  readonly keepaliveMs?: number;
  /** Longest pause between two attempts to connect. Default 2,000. */
  readonly maxReconnectMs?: number;
}

/** Options of `createVllmClient`. */
export interface VllmClientOptions {
  readonly engineId: string;
  /** host:port of VllmEngine. */
  readonly address: string;
  /** host:port of KvControl, where it is not served on `address`: the plug-in listens on a port of its own. */
  readonly kvControlAddress?: string;
  /** Offline profile of the engine: it goes into the description as it is. */
  readonly prefillCost: PrefillCost;
  /** Absent: plain text, for loopback only. */
  readonly tls?: VllmTls;
  readonly timeouts?: VllmTimeouts;
}

/** Pure. The timeouts with their defaults. */
export const resolveTimeouts = (timeouts: VllmTimeouts = {}): Required<VllmTimeouts> => ({
  unaryMs: timeouts.unaryMs ?? 5_000,
  firstMessageMs: timeouts.firstMessageMs ?? 300_000,
  streamIdleMs: timeouts.streamIdleMs ?? 60_000,
  keepaliveMs: timeouts.keepaliveMs ?? 60_000,
  maxReconnectMs: timeouts.maxReconnectMs ?? 2_000,
});
