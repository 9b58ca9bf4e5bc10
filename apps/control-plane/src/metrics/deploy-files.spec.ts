/** Alerts and dashboard, against the names that the service exports. promtool checks the rest: `npm run test:deploy`. */
import { describe, expect, it } from '@jest/globals';
import { parser } from '@prometheus-io/lezer-promql';
import { readFileSync } from 'node:fs';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { parse } from 'yaml';
import { metricCatalogue, type MetricDescription } from './metric-catalogue.js';

const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8');

interface Query {
  readonly where: string;
  readonly expression: string;
}

const alertRules = (
  parse(read('deploy/prometheus/alerts.yml')) as {
    readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
  }
).groups.flatMap(({ rules }) => rules);

const alerts: readonly Query[] = alertRules.map(({ alert, expr }) => ({ where: `alert ${alert}`, expression: expr }));

const dashboard = JSON.parse(read('deploy/grafana/holdfast.json')) as {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
};

const panels: readonly Query[] = dashboard.panels.flatMap(({ title, targets = [] }) =>
  // Grafana puts its variables in before Prometheus reads the query.
  targets.map(({ expr }) => ({ where: `panel ${title}`, expression: expr.replaceAll('$__rate_interval', '5m') })),
);

/** Labels of each series name that a scrape of the service holds, and of those that Prometheus makes itself. */
const knownSeries = (): ReadonlyMap<string, ReadonlySet<string>> => {
  const known = new Map<string, ReadonlySet<string>>([['up', new Set()]]);
  for (const [name, { type, labels = [] }] of Object.entries<MetricDescription>(metricCatalogue)) {
    if (type !== 'histogram') known.set(name, new Set(labels));
    else for (const part of ['bucket', 'sum', 'count']) known.set(`${name}_${part}`, new Set([...labels, 'le']));
  }
  const ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  for (const { name } of ofProcess.getMetricsAsArray()) known.set(name, new Set());
  return known;
};

interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
}

/** Throws when the expression is no PromQL. */
const selectorsOf = ({ where, expression }: Query): readonly Selector[] => {
  const selectors: { metric: string; labels: string[] }[] = [];
  const tree = parser.parse(expression);
  tree.iterate({
    enter: ({ name, from, to, type }) => {
      const text = expression.slice(from, to);
      if (type.isError) throw new Error(`${where}: not PromQL at character ${from}: ${expression}`);
      if (name === 'VectorSelector') selectors.push({ metric: /^[\w:]*/.exec(text)?.[0] ?? '', labels: [] });
      if (name === 'LabelName' && selectors.length > 0 && tree.resolve(from, 1).parent?.name.endsWith('LabelMatcher')) {
        selectors.at(-1)?.labels.push(text);
      }
    },
  });
  return selectors;
};

/** Labels that the scrape adds. */
const ofTheScrape = new Set(['job', 'instance']);

describe.each([
  ['the alerts', alerts],
  ['the dashboard', panels],
])('%s', (_, queries) => {
  it('ask only for series that the service exports, by labels that they have', () => {
    const known = knownSeries();
    expect(queries.length).toBeGreaterThan(10);
    const unknown = queries.flatMap((query) =>
      selectorsOf(query).flatMap(({ metric, labels }) => {
        const own = known.get(metric);
        if (own === undefined) return [`${query.where}: ${metric || '(no name)'}`];
        const strange = labels.filter((label) => !own.has(label) && !ofTheScrape.has(label));
        return strange.map((label) => `${query.where}: ${metric} has no label ${label}`);
      }),
    );
    expect(unknown).toEqual([]);
  });
});

describe('the check of queries', () => {
  it('sees names and labels of all selectors, and refuses what is no PromQL', () => {
    const expression = 'sum by (x) (rate(a_total{p="1",q=~"2"}[5m])) / on (y) b{r="3"} > 0';
    expect(selectorsOf({ where: 'spec', expression })).toEqual([
      { metric: 'a_total', labels: ['p', 'q'] },
      { metric: 'b', labels: ['r'] },
    ]);
    expect(() => selectorsOf({ where: 'spec', expression: 'rate(a_total[5m)' })).toThrow('spec: not PromQL');
  });
});

describe('the alerts', () => {
  it('are each explained in docs/operations.md, and no other', () => {
    const explained = [...read('docs/operations.md').matchAll(/^### (Holdfast\w+)$/gm)].map(([, name]) => name);
    expect(explained).toEqual(alertRules.map(({ alert }) => alert));
  });
});
