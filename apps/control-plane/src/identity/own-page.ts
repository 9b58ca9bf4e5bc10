/**
 * A browser sends what any page tells it to, and where keys are not asked for, that would be obeyed: a page of another
 * origin must not change anything. The rule is that of Go's net/http CrossOriginProtection: Sec-Fetch-Site where the
 * browser says it, else Origin beside Host; programs that are no browser send neither.
 *
 * A page whose host name is led to the loopback (DNS rebinding) is of no other origin, to its browser, and could even read.
 * Where keys are not asked for, the service is on the loopback alone, so nobody needs another name for it.
 */
import { DomainError } from '@holdfast/platform';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

const READING = ['GET', 'HEAD', 'OPTIONS'];

/**
 * `areKeysAsked`: a request without a key is refused anyway.
 *
 * @throws DomainError ORIGIN_REFUSED when a page of another origin sent a request that may change something, or one under
 * another name sent any.
 */
export const requireOwnPage = (
  { method = '', headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  { areKeysAsked }: { readonly areKeysAsked: boolean },
): void => {
  const { origin, host } = headers;
  if (!areKeysAsked && !isLocalName(host)) throw nameRefused(host);
  if (READING.includes(method)) return;
  const site = headers['sec-fetch-site'];
  const isOwn = site === undefined ? isHost(origin, host) : site === 'same-origin' || site === 'none';
  if (isOwn) return;
  const metadata = { origin: (origin ?? '').slice(0, 200), host: (host ?? '').slice(0, 200) };
  throw new DomainError({
    kind: 'forbidden',
    reason: 'ORIGIN_REFUSED',
    message: `a page of ${metadata.origin || 'another origin'} sent this call; allowed: pages of ${metadata.host}, and programs`,
    metadata,
  });
};

/** Pure. No DNS answer makes these names another machine's. */
const isLocalName = (host: string | undefined): boolean => {
  if (host === undefined || !URL.canParse(`http://${host}`)) return false;
  const name = new URL(`http://${host}`).hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost');
};

const nameRefused = (host: string | undefined): DomainError => {
  const metadata = { host: (host ?? '').slice(0, 200) };
  return new DomainError({
    kind: 'forbidden',
    reason: 'ORIGIN_REFUSED',
    message:
      `host ${JSON.stringify(metadata.host)} is no name of this service; allowed while no keys are asked for: localhost and ` +
      'IP addresses (a proxy under another name needs HOLDFAST_AUTH=keys)',
    metadata,
  });
};

const isHost = (origin: string | undefined, host: string | undefined): boolean =>
  origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
