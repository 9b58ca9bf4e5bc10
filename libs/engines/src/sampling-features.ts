/**
 * Which sampling an engine understands. Lengths, temperature, seed and the end of the text are everybody's; all else is
 * a feature that an engine has or has not, and one that it has not is refused instead of being ignored: the answer would
 * not be what was asked for.
 */
import type { GenerateSampling } from './engine-client.js';
import { EngineError } from './engine-error.js';

/** Everything that vLLM's wire has, by what asks for it. */
export const SAMPLING_FEATURES = [
  'minTokens',
  'topP',
  'topK',
  'minP',
  'penalties',
  'logitBias',
  'stop',
  'stopTokenIds',
  'logprobs',
  'jsonSchema',
  'jsonObject',
  'regex',
  'grammar',
  'choice',
] as const;

/** A kind of sampling that not every engine has. */
export type SamplingFeature = (typeof SAMPLING_FEATURES)[number];

const GRAMMARS: ReadonlySet<SamplingFeature> = new Set(['jsonSchema', 'jsonObject', 'regex', 'grammar', 'choice']);

/** Of engines without a model that a grammar could hold to a form. */
export const FEATURES_WITHOUT_GRAMMARS: readonly SamplingFeature[] = SAMPLING_FEATURES.filter(
  (feature) => !GRAMMARS.has(feature),
);

/** What each feature is asked for by; values that change nothing ask for nothing. */
const ASKS: readonly (readonly [SamplingFeature, keyof GenerateSampling, (sampling: GenerateSampling) => boolean])[] = [
  ['minTokens', 'minTokens', ({ minTokens = 0, ignoreEos = false }) => minTokens > 0 && !ignoreEos],
  ['topP', 'topP', ({ topP = 1 }) => topP !== 1],
  ['topK', 'topK', ({ topK = 0 }) => topK !== 0],
  ['minP', 'minP', ({ minP = 0 }) => minP !== 0],
  ['penalties', 'presencePenalty', ({ presencePenalty = 0 }) => presencePenalty !== 0],
  ['penalties', 'frequencyPenalty', ({ frequencyPenalty = 0 }) => frequencyPenalty !== 0],
  ['penalties', 'repetitionPenalty', ({ repetitionPenalty = 1 }) => repetitionPenalty !== 1],
  ['logitBias', 'logitBias', ({ logitBias = [] }) => logitBias.length > 0],
  ['stop', 'stop', ({ stop = [] }) => stop.length > 0],
  ['stopTokenIds', 'stopTokenIds', ({ stopTokenIds = [] }) => stopTokenIds.length > 0],
  ['logprobs', 'logprobs', ({ logprobs }) => logprobs !== undefined],
];

/** Pure. The fields of a sampling that an engine with these features has to refuse. */
const unsupportedFields = (sampling: GenerateSampling, features: readonly SamplingFeature[]): readonly string[] => {
  const form = sampling.structuredOutput?.type;
  return [
    ...ASKS.filter(([feature, , isAsked]) => isAsked(sampling) && !features.includes(feature)).map(
      ([, field]) => field,
    ),
    ...(form === undefined || features.includes(form) ? [] : [form]),
  ];
};

/** Pure. @throws EngineError ENGINE_CAPABILITY_MISSING that names the fields and the engine. */
export const requireSampling = (
  sampling: GenerateSampling,
  engine: { readonly engineId: string; readonly features: readonly SamplingFeature[] },
): void => {
  const fields = unsupportedFields(sampling, engine.features).map(protoName);
  if (fields.length === 0) return;
  const allowed = engine.features.length === 0 ? 'none that is optional' : engine.features.map(protoName).join(', ');
  throw new EngineError({
    reason: 'ENGINE_CAPABILITY_MISSING',
    engineId: engine.engineId,
    message: `it cannot do ${fields.join(', ')}; allowed: ${allowed}`,
    fieldViolations: fields.map((field) => ({
      field: `sampling.${field}`,
      description: `engine ${engine.engineId} has no ${field}; allowed: ${allowed}`,
    })),
  });
};

/** As `holdfast.program.v1.Sampling` spells it. */
const protoName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
