/** Fields that many operations share. */
import { instant, type Instant } from '@holdfast/scheduling';
import { z } from 'zod';
import { plainText } from '../../programs/plain-text.js';

const idPattern = /^(?:[a-z0-9-]{1,63}~)?[A-Za-z0-9._:-]{1,128}$/;
const idAllowed = '1 to 128 characters of A-Z a-z 0-9 . _ : - (who operates the service: tenant~id)';

/** Id of a program. */
export const programId = z
  .string()
  .regex(idPattern, idAllowed)
  .meta({ description: "The program's id; keys of the tenant that operates the service name others' as `tenant~id`." });

/** Id of anything else: what the service or an engine made up. */
export const otherId = z.string().regex(/^[A-Za-z0-9._:-]{1,256}$/, '1 to 256 characters of A-Z a-z 0-9 . _ : -');

/** Id of a tenant. */
export const tenantId = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, '1 to 63 characters of a-z 0-9 -');

/** A name. */
export const title = plainText(1, 200);

/** A reason. */
export const reasonText = plainText(0, 1_000);

/** A point in time, RFC 3339, to the microsecond. */
export const time = z.string().meta({ format: 'date-time' });

/** A length of time. */
export const durationSeconds = z.number().min(0);

/** A count. */
export const count = z.int().min(0);

/** Pages. */
export const pageQuery = {
  pageSize: z.int('1 to 200').min(1, '1 to 200').max(200, '1 to 200').optional().meta({ description: 'Default 50.' }),
  pageToken: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,400}$/, 'the nextPageToken of the answer before')
    .optional()
    .meta({ description: 'The nextPageToken of the answer before.' }),
};

const DEFAULT_PAGE_SIZE = 50;

/** Pure. What a repository wants to know of a page. */
export const pageOf = (query: {
  readonly pageSize?: number | undefined;
  readonly pageToken?: string | undefined;
}): { readonly pageSize: number; readonly pageToken?: string } => ({
  pageSize: query.pageSize ?? DEFAULT_PAGE_SIZE,
  ...(query.pageToken === undefined ? {} : { pageToken: query.pageToken }),
});

/** Pure. A page of `item`s. */
export const pageSchema = <Item extends z.ZodType>(
  item: Item,
): z.ZodObject<{ items: z.ZodArray<Item>; nextPageToken: z.ZodNullable<z.ZodString> }, z.core.$strict> =>
  z.strictObject({
    items: z.array(item),
    nextPageToken: z.string().nullable().meta({ description: 'Null on the last page.' }),
  });

/** Pure. RFC 3339 in UTC, with microseconds. */
export const timeText = (at: Instant): string => {
  const micros = String(at % 1_000).padStart(3, '0');
  return new Date(Math.floor(at / 1_000)).toISOString().replace('Z', `${micros}Z`);
};

/** Pure. */
export const timeTextOrNull = (at: Instant | null | undefined): string | null => (at == null ? null : timeText(at));

/** Pure. Reads RFC 3339; times before 1970 count as 1970. */
export const timeFromText = (text: string): Instant => instant(Math.max(0, Date.parse(text)) * 1_000);

/** Pure. */
export const secondsOrNull = (micros: number | null | undefined): number | null =>
  micros == null ? null : micros / 1_000_000;
