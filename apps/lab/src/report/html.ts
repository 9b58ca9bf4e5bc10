/** Pure. Text as it may stand in HTML, also inside quotes. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Pure. A figure with its caption; `svg` is HTML already. */
export const figure = (title: string, svg: string, note = ''): string =>
  `<figure><figcaption><strong>${escapeHtml(title)}</strong>${note === '' ? '' : ` ${escapeHtml(note)}`}</figcaption>${svg}</figure>`;

/** Pure. A table; cells are text. */
export const htmlTable = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const cells = (tag: 'th' | 'td', texts: readonly string[]): string =>
    texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('');
  const body = rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('');
  return `<div class="scroll"><table><thead><tr>${cells('th', head)}</tr></thead><tbody>${body}</tbody></table></div>`;
};
