import { createFakeEngine } from '@holdfast/engines';
import { ManualClock } from '@holdfast/platform';
import { millis } from '@holdfast/scheduling';
import { engineClientConformance } from './engine-client.conformance.js';
import type { EngineClientHarness } from './harness.js';

const all = { pins: true, softPins: true, ordersByRank: true, reranks: true };
const stock = { pins: false, softPins: false, ordersByRank: false, reranks: false };

const makeHarness = async (capabilities: typeof all): Promise<EngineClientHarness> => {
  const clock = new ManualClock();
  const engine = createFakeEngine({ engineId: 'fake', clock, capabilities });
  return {
    client: engine.client,
    passTime: async (milliseconds) => {
      clock.advance(millis(milliseconds));
      // Lets whoever was woken run.
      await new Promise((resolve) => setImmediate(resolve));
    },
    stop: async () => engine.inject({ type: 'unreachable' }),
    start: async () => {
      engine.restart();
      engine.heal();
    },
    dispose: async () => engine.client.close(),
  };
};

engineClientConformance(
  'fake engine',
  { pins: true, softPins: true, reranks: true, restarts: true, tokenizer: true },
  () => makeHarness(all),
);

engineClientConformance(
  'fake stock engine',
  { pins: false, softPins: false, reranks: false, restarts: true, tokenizer: false },
  () => makeHarness(stock),
);
