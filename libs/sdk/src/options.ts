import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import { invalidArgument } from './errors.js';
import type { RetryPolicy } from './retry.js';
import { warnOnProcess, type HoldfastWarning } from './warning.js';

/** Certificates, PEM as text or bytes. */
export interface TlsOptions {
  /** Authorities to trust; unset takes those of Node. */
  readonly authorities?: string | Buffer;
  /** The client's own certificate chain, for mutual TLS. */
  readonly certificate?: string | Buffer;
  /** The key of `certificate`. */
  readonly key?: string | Buffer;
}

/** Limits in milliseconds. */
export interface Timeouts {
  /** A short call, its retries included. Default 30,000. */
  readonly callMs: number;
  /** One try of a short call. Default 10,000. */
  readonly attemptMs: number;
  /** A turn: queue wait, output and retries together. Default 1,800,000 (30 minutes). */
  readonly turnMs: number;
}

/** How to reach the service. */
export interface HoldfastOptions {
  /** `host:port` of the service. */
  readonly address: string;
  /** TLS: `true` for the defaults. Unset: plain text, for loopback. */
  readonly tls?: true | TlsOptions;
  /** API key of a service that wants one: `hf_...`. Give `tls` with it unless the service is on this machine. */
  readonly apiKey?: string;
  /** Default: 20 tries in a row, waits from 100 ms to 5 s, which outlasts a restart of the service. */
  readonly retry?: Partial<RetryPolicy>;
  readonly timeouts?: Partial<Timeouts>;
  /** Told about bookkeeping that failed while the work itself went on. Default: a process warning. */
  readonly onWarning?: (warning: HoldfastWarning) => void;
}

/** {@link HoldfastOptions} with every default filled in. */
export interface Settings {
  readonly address: string;
  readonly credentials: ChannelCredentials;
  /** Empty: none. */
  readonly apiKey: string;
  readonly retry: RetryPolicy;
  readonly timeouts: Timeouts;
  readonly warn: (warning: HoldfastWarning) => void;
}

const defaultRetry: RetryPolicy = { maxAttempts: 20, initialBackoffMs: 100, maxBackoffMs: 5_000 };
const defaultTimeouts: Timeouts = { callMs: 30_000, attemptMs: 10_000, turnMs: 1_800_000 };

/** Longest delay that a timer takes, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Fills in the defaults.
 *
 * @throws HoldfastError INVALID_ARGUMENT naming the option, its value and what is allowed.
 */
export function resolveOptions(options: HoldfastOptions): Settings {
  if (typeof options.address !== 'string' || options.address === '') {
    throw invalidArgument('address', `is ${JSON.stringify(options.address)}; allowed: "host:port"`);
  }
  const retry = { ...defaultRetry, ...options.retry };
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  if (!Number.isInteger(retry.maxAttempts) || retry.maxAttempts < 1) {
    throw invalidArgument('retry.maxAttempts', `is ${retry.maxAttempts}; allowed: integers from 1`);
  }
  requireMillis('retry.initialBackoffMs', retry.initialBackoffMs);
  requireMillis('retry.maxBackoffMs', retry.maxBackoffMs);
  requireMillis('timeouts.callMs', timeouts.callMs);
  requireMillis('timeouts.attemptMs', timeouts.attemptMs);
  requireMillis('timeouts.turnMs', timeouts.turnMs);
  return {
    address: options.address,
    credentials: channelCredentials(options.tls),
    apiKey: apiKeyOf(options.apiKey),
    retry,
    timeouts,
    warn: safeHook(options.onWarning ?? warnOnProcess),
  };
}

/** Throws HoldfastError INVALID_ARGUMENT unless `value` is a number of milliseconds that a timer takes. Pure. */
export function requireMillis(field: string, value: number): void {
  if (typeof value !== 'number' || !(value > 0 && value <= MAX_TIMER_MS)) {
    throw invalidArgument(field, `is ${value}; allowed: milliseconds above 0, at most ${MAX_TIMER_MS}`);
  }
}

/** A warning is given where the work itself went well; a hook that throws must not change that. */
const safeHook =
  (hook: Settings['warn']): Settings['warn'] =>
  (warning) => {
    try {
      hook(warning);
    } catch (error) {
      process.emitWarning(`onWarning threw ${String(error)} on: ${warning.message}`, { type: 'HoldfastWarning' });
    }
  };

const apiKeyOf = (apiKey: string | undefined): string => {
  if (apiKey === undefined || /^[!-~]+$/.test(apiKey)) return apiKey ?? '';
  // The value is not shown: it may be a key with a line break behind it.
  throw invalidArgument('apiKey', 'is empty or holds blanks or line breaks; allowed: a key as the service made it');
};

const channelCredentials = (tls: HoldfastOptions['tls']): ChannelCredentials => {
  if (tls === undefined) return credentials.createInsecure();
  if (tls === true) return credentials.createSsl();
  if ((tls.certificate === undefined) !== (tls.key === undefined)) {
    throw invalidArgument('tls', `has only ${tls.key === undefined ? 'certificate' : 'key'}; allowed: both or neither`);
  }
  return credentials.createSsl(bytes(tls.authorities), bytes(tls.key), bytes(tls.certificate));
};

const bytes = (pem: string | Buffer | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem));
