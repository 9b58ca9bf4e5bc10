import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { invalidFields } from '@holdfast/platform';

/** Headers in which agent tools and routers name their session; the first that is there counts. */
const SESSION_HEADERS = [
  'x-claude-code-session-id',
  'session-id',
  'session_id',
  'x-session-id',
  'x-session-affinity',
  'x-aibrix-session-key',
  'x-conversation-id',
] as const;

/** Names a program of this service, or one that the client invents. */
export const PROGRAM_HEADER = 'x-holdfast-program';

const MAX_CHARACTERS = 256;

/** How a request names its program. */
export interface SessionKey {
  /** The header. */
  readonly source: string;
  readonly value: string;
}

/**
 * Pure. The program or session that a request names; null when it names none.
 *
 * @throws DomainError FIELD_INVALID for a name that is too long.
 */
export const sessionKeyOf = (headers: IncomingHttpHeaders): SessionKey | null => {
  for (const source of [PROGRAM_HEADER, ...SESSION_HEADERS]) {
    const given = headers[source];
    const value = (Array.isArray(given) ? given[0] : given)?.trim() ?? '';
    if (value === '') continue;
    if (value.length <= MAX_CHARACTERS) return { source, value };
    const description = `has ${value.length} characters; allowed: 1 to ${MAX_CHARACTERS}`;
    throw invalidFields([{ field: `header ${source}`, description }]);
  }
  return null;
};

/** Pure. True when the name may be that of a program begun by the SDK. */
export const isProgramId = ({ source, value }: SessionKey): boolean =>
  source === PROGRAM_HEADER && /^[A-Za-z0-9._:-]{1,128}$/.test(value);

/** Pure. The program id of a session: the same after a restart, and never that of another tenant. */
export const sessionProgramId = (tenantId: string, { source, value }: SessionKey): string =>
  `oai-${createHash('sha256')
    .update(JSON.stringify([tenantId, source, value]))
    .digest('hex')
    .slice(0, 32)}`;
