import { loadTextCodec } from '@holdfast/engines';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateCases } from './generate-cases.js';
import type { EngineClientHarness, EngineClientTraits, MakeEngineClientHarness } from './harness.js';
import { noPinCases, pinCases } from './pin-cases.js';
import { noRankCases, rankCases } from './rank-cases.js';
import { restartCases } from './restart-cases.js';
import { samplingCases } from './sampling-cases.js';
import { watchCases } from './watch-cases.js';

/**
 * What every EngineClient does, on whatever engine. Call it at the top level of a spec. The traits declare what the
 * engine behind the client can do, and with it which cases there are.
 */
export const engineClientConformance = (
  name: string,
  traits: EngineClientTraits,
  makeHarness: MakeEngineClientHarness,
): void => {
  describe(`${name}: an EngineClient`, () => {
    group('answers', makeHarness, (harness) => generateCases(harness, traits));
    group('sampling', makeHarness, (harness) => samplingCases(harness));
    group('pins', makeHarness, (harness) => (traits.pins ? pinCases(harness, traits) : noPinCases(harness)));
    group('ranks', makeHarness, (harness) => (traits.reranks ? rankCases(harness) : noRankCases(harness)));
    group('watch', makeHarness, (harness) => watchCases(harness, traits));
    if (traits.tokenizer) group('tokenizer', makeHarness, tokenizerCases);
    if (traits.restarts) group('restart', makeHarness, (harness) => restartCases(harness, traits));
  });
};

/** Each group has an engine of its own. */
const group = (
  name: string,
  makeHarness: MakeEngineClientHarness,
  cases: (harness: () => EngineClientHarness) => void,
): void => {
  describe(name, () => {
    let harness: EngineClientHarness | undefined;
    beforeAll(async () => {
      harness = await makeHarness();
    });
    afterAll(async () => {
      await harness?.dispose();
    });
    cases(() => {
      if (harness === undefined) throw new Error('the harness did not start');
      return harness;
    });
  });
};

const tokenizerCases = (harness: () => EngineClientHarness): void => {
  it('comes as an archive that a codec can be built from, within the vocabulary', async () => {
    const { client } = harness();
    const codec = loadTextCodec(await client.tokenizerArchive());
    const ids = codec.encode('Hold fast: 12 × café.');
    expect(ids.length).toBeGreaterThan(0);
    expect(Math.max(...ids)).toBeLessThan((await client.info()).vocabularySize);
    expect(codec.decode(ids)).toBe('Hold fast: 12 × café.');
  });
};
