import { homedir } from 'node:os';
import { join } from 'node:path';

/** The module that Jaeger v2 is built from. Its own go.sum pins everything below it. */
export const MODULE = 'github.com/jaegertracing/jaeger';
export const VERSION = 'v1.76.0';

/** Where the program is kept: outside the repository, so that a fresh clone finds it again. */
export const jaegerBinary = () => {
  const cache = process.env.HOLDFAST_JAEGER_CACHE || join(homedir(), '.cache', 'holdfast', 'jaeger');
  return join(cache, VERSION, 'jaeger');
};
