/** How a turn is generated: from the wire to the engine's port. */
import type { program as wire } from '@holdfast/contracts';
import { requireSampling, type GenerateSampling, type StructuredOutput } from '@holdfast/engines';
import { invalidFields } from '@holdfast/platform';
import type { EngineStanding } from '../engines/engine-registry.js';

/** What bounds a turn's output. */
export interface SamplingBounds {
  /** Tokens that fit behind the prompt. */
  readonly room: number;
  readonly vocabularySize: number;
}

/**
 * Pure. The turn's sampling as engines take it.
 *
 * @throws DomainError FIELD_INVALID for min_tokens above max_tokens; TOKEN_OUT_OF_VOCABULARY.
 */
export const samplingOf = (sampling: wire.Sampling | undefined, bounds: SamplingBounds): GenerateSampling => {
  if (sampling === undefined) return { maxTokens: bounds.room };
  const { maxTokens = bounds.room, minTokens, ignoreEos, stop, stopTokenIds, logitBias, structuredOutput } = sampling;
  if (minTokens !== undefined && minTokens > maxTokens) {
    const description = `is ${minTokens}; allowed: 0 to max_tokens (${maxTokens})`;
    throw invalidFields([{ field: 'sampling.min_tokens', description }]);
  }
  checkTokens('stop_token_ids', stopTokenIds, bounds);
  checkTokens(
    'logit_bias',
    logitBias.map(({ tokenId }) => tokenId),
    bounds,
  );
  return {
    maxTokens,
    ignoreEos,
    ...given('minTokens', minTokens),
    ...given('temperature', sampling.temperature),
    ...given('topP', sampling.topP),
    ...given('topK', sampling.topK),
    ...given('seed', sampling.seed),
    ...given('presencePenalty', sampling.presencePenalty),
    ...given('frequencyPenalty', sampling.frequencyPenalty),
    ...given('repetitionPenalty', sampling.repetitionPenalty),
    ...given('minP', sampling.minP),
    ...given('logprobs', sampling.logprobs),
    ...(stop.length === 0 ? {} : { stop }),
    ...(stopTokenIds.length === 0 ? {} : { stopTokenIds }),
    ...(logitBias.length === 0 ? {} : { logitBias }),
    ...(structuredOutput === undefined ? {} : { structuredOutput: formOf(structuredOutput) }),
  };
};

/**
 * Pure. A turn may come to any engine that takes new ones, so all of them have to be able to do what it asks for.
 *
 * @throws EngineError ENGINE_CAPABILITY_MISSING that names the fields and the engine.
 */
export const requireSamplingOf = (engines: readonly EngineStanding[], sampling: GenerateSampling): void => {
  for (const { engineId, info, isDraining } of engines) {
    if (info !== null && !isDraining) requireSampling(sampling, { engineId, features: info.samplingFeatures });
  }
};

/** Pure. The member of an object, where there is a value. */
export const given = <Key extends string>(key: Key, value: number | null | undefined): Partial<Record<Key, number>> =>
  value === null || value === undefined ? {} : ({ [key]: value } as Partial<Record<Key, number>>);

const checkTokens = (field: string, ids: readonly number[], { vocabularySize }: SamplingBounds): void => {
  const place = ids.findIndex((id) => id >= vocabularySize);
  if (place === -1) return;
  const description = `names token ${ids[place]}; allowed: 0 to ${vocabularySize - 1}`;
  throw invalidFields([{ field: `sampling.${field}[${place}]`, description }], 'TOKEN_OUT_OF_VOCABULARY');
};

const formOf = (output: NonNullable<wire.Sampling['structuredOutput']>): StructuredOutput => {
  switch (output.$case) {
    case 'jsonSchema':
      return { type: 'jsonSchema', schema: output.value };
    case 'jsonObject':
      return { type: 'jsonObject' };
    case 'regex':
      return { type: 'regex', pattern: output.value };
    case 'grammar':
      return { type: 'grammar', ebnf: output.value };
    case 'choice':
      return { type: 'choice', choices: output.value.choices };
  }
};
