import type { vllm } from '@holdfast/contracts';
import type { GenerateSampling, StructuredOutput } from '../engine-client.js';

/** What is not asked for goes out as what changes nothing: zero is "unset" to some engines, and something to others. */
const CHANGES_NOTHING = {
  topP: 1,
  topK: 0,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  minTokens: 0,
  stop: [],
  stopTokenIds: [],
  ignoreEos: false,
  logitBias: [],
} as const satisfies Partial<GenerateSampling>;

const MAX_UINT32 = 0xffff_ffff;

/** vLLM's `--max-logprobs`, unless set otherwise. */
const MAX_LOGPROBS = 20;

/**
 * Pure. The sampling parameters on the wire. Throws RangeError, naming the field, for a value that the wire cannot carry.
 */
export const samplingToProto = (asked: GenerateSampling): vllm.SamplingParams => {
  const sampling = { ...CHANGES_NOTHING, ...asked };
  const { temperature, seed, logprobs } = asked;
  return {
    ...(temperature === undefined ? {} : { temperature: within('temperature', temperature, 0, 100) }),
    topP: within('topP', sampling.topP, 1e-6, 1),
    topK: whole('topK', sampling.topK, 0, MAX_UINT32),
    minP: within('minP', sampling.minP, 0, 1),
    frequencyPenalty: within('frequencyPenalty', sampling.frequencyPenalty, -2, 2),
    presencePenalty: within('presencePenalty', sampling.presencePenalty, -2, 2),
    repetitionPenalty: within('repetitionPenalty', sampling.repetitionPenalty, 1e-6, 10),
    maxTokens: whole('maxTokens', sampling.maxTokens, 1, MAX_UINT32),
    minTokens: whole('minTokens', sampling.minTokens, 0, sampling.maxTokens),
    stop: [...sampling.stop],
    stopTokenIds: [...sampling.stopTokenIds],
    skipSpecialTokens: true,
    spacesBetweenSpecialTokens: true,
    ignoreEos: sampling.ignoreEos,
    n: 1,
    constraint: constraintOf(sampling.structuredOutput),
    ...(logprobs === undefined ? {} : { logprobs: candidatesToAsk(logprobs) }),
    ...(seed === undefined ? {} : { seed: whole('seed', seed, -0x8000_0000, 0x7fff_ffff) }),
    includeStopStrInOutput: false,
    logitBias: Object.fromEntries(sampling.logitBias.map(({ tokenId, bias }) => [tokenId, bias])),
  };
};

/**
 * vLLM's front end sends the chosen token before the likeliest ones and cuts the list at the number asked for, so one
 * more is asked for: then the likeliest are all there, also when another token was chosen. At vLLM's own limit there is
 * no room for that, and the least likely of them gives way to the chosen token.
 */
const candidatesToAsk = (logprobs: number): number => {
  const candidates = whole('logprobs', logprobs, 0, MAX_LOGPROBS);
  return candidates === 0 ? 0 : Math.min(candidates + 1, MAX_LOGPROBS);
};

const constraintOf = (output: StructuredOutput | undefined): vllm.SamplingParams['constraint'] => {
  switch (output?.type) {
    case 'jsonSchema':
      return { $case: 'jsonSchema', value: output.schema };
    case 'jsonObject':
      return { $case: 'jsonObject', value: true };
    case 'regex':
      return { $case: 'regex', value: output.pattern };
    case 'grammar':
      return { $case: 'grammar', value: output.ebnf };
    case 'choice':
      return { $case: 'choice', value: { choices: [...output.choices] } };
    case undefined:
      return undefined;
  }
};

const within = (field: string, value: number, low: number, high: number): number => {
  if (value >= low && value <= high) return value;
  throw new RangeError(`sampling.${field} is ${value}; allowed is ${low} to ${high}`);
};

const whole = (field: string, value: number, low: number, high: number): number => {
  if (Number.isInteger(value)) return within(field, value, low, high);
  throw new RangeError(`sampling.${field} is ${value}; allowed is a whole number from ${low} to ${high}`);
};
