import { decodePageToken, encodePageToken } from '@holdfast/persistence';

/** Modifies `all`: sorts it. A page of what is in memory, by an id. @throws DomainError FIELD_INVALID for a bad token. */
export const pageOfSorted = <Item>(
  all: Item[],
  page: { readonly pageSize: number; readonly pageToken?: string },
  idOf: (item: Item) => string,
): { readonly items: readonly Item[]; readonly nextPageToken: string | null } => {
  all.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const [after] = page.pageToken === undefined ? [''] : decodePageToken(page.pageToken, ['string']);
  const rest = all.filter((item) => idOf(item) > after);
  const items = rest.slice(0, page.pageSize);
  const last = items.at(-1);
  const nextPageToken = last !== undefined && rest.length > items.length ? encodePageToken([idOf(last)]) : null;
  return { items, nextPageToken };
};
