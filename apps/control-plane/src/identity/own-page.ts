/**
 * A browser sends what any page tells it to, and where keys are not asked for, that would be obeyed: a page of another
 * origin must not change anything. The rule is that of Go's net/http CrossOriginProtection: Sec-Fetch-Site where the
 * browser says it, else Origin beside Host; programs that are no browser send neither.
 */
import { DomainError } from '@holdfast/platform';
import type { IncomingMessage } from 'node:http';

const READING = ['GET', 'HEAD', 'OPTIONS'];

/** @throws DomainError ORIGIN_REFUSED when a page of another origin sent a request that may change something. */
export const requireOwnPage = ({ method = '', headers }: Pick<IncomingMessage, 'method' | 'headers'>): void => {
  if (READING.includes(method)) return;
  const { origin, host } = headers;
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

const isHost = (origin: string | undefined, host: string | undefined): boolean =>
  origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
