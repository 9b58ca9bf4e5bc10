import { escapeHtml } from './html.js';

const STYLE = `
:root { color-scheme: light dark; --surface: #ffffff; --text: #1c1e21; --muted: #5c6370; --line: #d8dce2; --raised: #f6f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --surface: #15171a; --text: #e6e8eb; --muted: #9aa3af; --line: #343941; --raised: #1d2025; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 1rem; background: var(--surface); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0.5rem 0; } h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; }
h3 { font-size: 1.05rem; margin: 2rem 0 0.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h4 { margin: 1.5rem 0 0.25rem; overflow-wrap: anywhere; } p { color: var(--muted); margin: 0.25rem 0 0.75rem; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)); }
figure { margin: 0; padding: 0.75rem; background: var(--raised); border: 1px solid var(--line); border-radius: 8px; min-width: 0; }
figure svg { --plot-background: var(--raised); display: block; width: 100%; height: auto; max-width: 640px; overflow: visible; }
figcaption { color: var(--muted); margin-bottom: 0.5rem; overflow-wrap: anywhere; } figcaption strong { color: var(--text); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0 0 0.75rem; padding: 0; font-size: 13px; }
.legend span { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 0.4em; }
.scroll { overflow-x: auto; margin: 0.5rem 0 1rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.3rem 0.75rem 0.3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--muted); font-weight: 600; } summary { cursor: pointer; color: var(--muted); font-size: 13px; }
@media (max-width: 480px) {
  body { padding: 0.5rem; } figure { padding: 0.5rem 0.4rem; } table { font-size: 12px; } th, td { padding-right: 0.4rem; }
}
`;

/** Pure. A page that needs nothing else; `body` is HTML, the title is text. */
export const htmlPage = ({ title, body }: { readonly title: string; readonly body: string }): string =>
  `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>${body}
</body></html>
`;
