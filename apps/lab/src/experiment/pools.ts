import { poolBlocks } from '@holdfast/simulation';
import type { PoolChoice } from '../cells/job.js';
import { poolOptions } from '../cells/pool-options.js';
import { UsageError } from '../cli/exit.js';
import type { LoadedTrace } from '../trace-files/load-trace.js';
import type { ExperimentSettings } from './settings.js';

/** Pure. Every engine with every count of them. */
export const poolsOf = (settings: ExperimentSettings): readonly PoolChoice[] =>
  settings.engines.flatMap((engine) =>
    settings.engineCounts.map((engines) => ({
      engine,
      engines,
      kvScale: settings.kvScale,
      tokenBudget: settings.tokenBudget,
      maxRunningRequests: settings.maxRunningRequests,
      ...(settings.sharedPromptTokens === 0 ? {} : { sharedPromptTokens: settings.sharedPromptTokens }),
      ...(settings.hostKvScale === 0 ? {} : { hostKvScale: settings.hostKvScale }),
      ...(settings.abilities === 'full' ? {} : { abilities: settings.abilities }),
    })),
  );

/** Pure. Throws a UsageError when a context of the trace is larger than an engine's memory. */
export const requireRoom = (trace: LoadedTrace, pool: PoolChoice): void => {
  const options = poolOptions(pool);
  const roomTokens = poolBlocks(options) * options.profile.blockTokens;
  for (const { programId, turns } of trace.programs) {
    for (const [index, { promptTokens, outputTokens }] of turns.entries()) {
      if (promptTokens + outputTokens <= roomTokens) continue;
      throw new UsageError(
        `trace ${trace.name}, program "${programId}", turn ${index + 1}: ${promptTokens} prompt and ${outputTokens} output ` +
          `tokens do not fit ${pool.engine}; allowed are ${roomTokens} together (--max-context, --kv-scale)`,
      );
    }
  }
};
