import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

const { document } = parseHTML('<!doctype html><html><body></body></html>');

/** Width of every chart: on a phone it fills the screen, and its text stays readable. */
export const CHART_WIDTH = 460;

/** Pure. Draws a plot as SVG text, without a browser. */
export const draw = (options: Plot.PlotOptions): string => {
  const svg = Plot.plot({
    document,
    width: CHART_WIDTH,
    marginBottom: 44,
    style: { fontSize: '12px', background: 'transparent' },
    ...options,
  });
  const { outerHTML } = svg as unknown as { readonly outerHTML: string };
  return shortened(outerHTML);
};

/** Coordinates to a tenth of a pixel: half the size, the same picture. */
const shortened = (svg: string): string => svg.replace(/(\d+\.\d)\d+(?=[\s,"LMHVZAC)])/g, '$1');

const HUES: readonly string[] = [
  '#4269d0',
  '#e08a00',
  '#e0524d',
  '#4fa8b8',
  '#3ca951',
  '#d9669a',
  '#9460d9',
  '#7a8ec2',
  '#a0785a',
  '#8a8f98',
];

/** Pure. A colour for each of some names, in their order: the same in every chart. */
export const colourScale = (names: readonly string[]): { readonly domain: string[]; readonly range: string[] } => ({
  domain: [...names],
  range: names.map((_, index) => HUES[index] ?? `hsl(${Math.round((index * 137.5) % 360)} 55% 50%)`),
});

/** Pure. Names and their colours, as HTML. */
export const legend = (scale: { readonly domain: readonly string[]; readonly range: readonly string[] }): string => {
  const { document: own } = parseHTML('<!doctype html><html><body></body></html>');
  const list = own.createElement('ul');
  list.className = 'legend';
  for (const [index, name] of scale.domain.entries()) {
    const item = own.createElement('li');
    const swatch = own.createElement('span');
    swatch.setAttribute('style', `background:${scale.range[index] ?? 'currentColor'}`);
    item.append(swatch, own.createTextNode(name));
    list.append(item);
  }
  return list.outerHTML;
};
