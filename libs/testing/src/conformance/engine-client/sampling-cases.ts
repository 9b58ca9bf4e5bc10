import { loadTextCodec, type GenerateSampling, type SamplingFeature, type TokenLogprob } from '@holdfast/engines';
import { describe, expect, it } from '@jest/globals';
import type { EngineClientHarness } from './harness.js';
import { exactly, freshId, freshPrompt, runTurn, turnCall, type Answer } from './turns.js';

/** Stops, log probabilities, grammars: each is done as asked, or refused. */
export const samplingCases = (harness: () => EngineClientHarness): void => {
  const ask = async (sampling: Partial<GenerateSampling>, promptIds?: Uint32Array): Promise<Answer> => {
    const info = await harness().client.info();
    // Shorter than a block: computed anew each time, so that the same prompt gets the same answer.
    const prompt = promptIds ?? freshPrompt(info, info.description.blockTokens - 1);
    return runTurn(harness(), turnCall(freshId('p'), prompt, { sampling }));
  };
  const logprobsOf = ({ events }: Answer): TokenLogprob[] =>
    events.flatMap((event) => (event.type === 'tokens' ? (event.logprobs ?? []) : []));

  /** True when the engine lacks the feature: then it has to say so, before it does anything. */
  const isRefused = async (feature: SamplingFeature, asked: Promise<Answer>): Promise<boolean> => {
    const { samplingFeatures } = await harness().client.info();
    if (samplingFeatures.includes(feature)) return false;
    await expect(asked).rejects.toMatchObject({
      reason: 'ENGINE_CAPABILITY_MISSING',
      retryable: false,
      message: expect.stringContaining(feature.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
    });
    expect((await harness().client.load()).load.runningRequests).toBe(0);
    return true;
  };

  describe('sampling', () => {
    it('ends with a token that it was told to stop at, or refuses', async () => {
      const info = await harness().client.info();
      const promptIds = freshPrompt(info, info.description.blockTokens - 1);
      const { complete: whole } = await ask(exactly(8), promptIds);
      const stop = whole.outputIds[3] ?? -1;
      const asked = ask({ maxTokens: 8, ignoreEos: true, stopTokenIds: [stop] }, promptIds);
      if (await isRefused('stopTokenIds', asked)) return;
      const { complete } = await asked;
      expect(complete.finishReason).toBe('stop');
      expect(complete.outputIds).toEqual(whole.outputIds.slice(0, whole.outputIds.indexOf(stop) + 1));
    });

    it('gives no log probabilities unless asked to', async () => {
      const { events } = await ask(exactly(4));
      expect(events.every((event) => !('logprobs' in event))).toBe(true);
    });

    it.each([0, 1, 3, 20])(
      'gives each token its log probability, with the %i likeliest, or refuses',
      async (candidates) => {
        const asked = ask({ ...exactly(12), temperature: 1, logprobs: candidates });
        if (await isRefused('logprobs', asked)) return;
        const answer = await asked;
        const logprobs = logprobsOf(answer);
        expect(logprobs).toHaveLength(12);
        for (const [place, { logprob, topIds, topLogprobs }] of logprobs.entries()) {
          expect(logprob).toBeLessThanOrEqual(0);
          expect(topIds).toHaveLength(candidates);
          expect(new Set(topIds).size).toBe(candidates);
          expect(topLogprobs).toEqual([...topLogprobs].sort((a, b) => b - a));
          expect(topLogprobs.reduce((sum, top) => sum + Math.exp(top), 0)).toBeLessThanOrEqual(1.001);
          const chosenAt = topIds.indexOf(answer.streamedIds[place] ?? -1);
          if (chosenAt !== -1) expect(topLogprobs[chosenAt]).toBe(logprob);
          else if (candidates > 0 && candidates < 20) expect(logprob).toBeLessThanOrEqual(topLogprobs.at(-1) ?? 0);
        }
      },
    );

    it('keeps to one of the texts, or refuses before it does anything', async () => {
      const choices = ['copper', 'silver'];
      const asked = ask({ maxTokens: 16, structuredOutput: { type: 'choice', choices } });
      if (await isRefused('choice', asked)) return;
      const { complete } = await asked;
      const codec = loadTextCodec(await harness().client.tokenizerArchive());
      expect(choices).toContain(codec.decode(complete.outputIds));
      expect(complete.finishReason).toBe('stop');
    });
  });
};
