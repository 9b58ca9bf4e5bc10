import type { Profiler } from 'node:inspector';

/** A part of a program and the time that it took by itself. */
export interface PartRow {
  /** A package, Node, or what runs in C++, by its name there, e.g. `(garbage collector)` and `writev`. */
  readonly part: string;
  readonly ms: number;
}

const IDLE = '(idle)';

/** Pure. Time without idleness, largest first. */
export const whereTimeGoes = ({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): PartRow[] => {
  const parts = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame)]));
  const spentUs = new Map<string, number>();
  samples.forEach((id, index) => {
    const part = parts.get(id) ?? IDLE;
    spentUs.set(part, (spentUs.get(part) ?? 0) + (timeDeltas[index] ?? 0));
  });
  return [...spentUs]
    .filter(([part]) => part !== IDLE)
    .map(([part, us]) => ({ part, ms: us / 1_000 }))
    .sort((one, other) => other.ms - one.ms);
};

const partOf = ({ url, functionName }: { readonly url: string; readonly functionName: string }): string => {
  const dependency = /.*\/node_modules\/(@[^/]+\/[^/]+|[^/]+)\//.exec(url)?.[1];
  if (dependency !== undefined) return dependency;
  const own = /\/(apps|libs)\/([^/]+)\/dist\//.exec(url);
  if (own !== null) return `${own[1]}/${own[2]}`;
  if (url.startsWith('node:')) return 'Node';
  // Without a file: V8's own, and what Node has in C++, such as writing to sockets.
  return functionName === '' ? 'others' : functionName;
};
