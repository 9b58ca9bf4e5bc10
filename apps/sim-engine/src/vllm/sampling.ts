import type { FieldViolation, vllm } from '@holdfast/contracts';
import { invalidFields } from '@holdfast/platform';

/** The sampling parameters that mean something to generated text without a model behind it. */
export interface Sampling {
  /** Undefined: as many as the context has room for. */
  readonly maxTokens: number | undefined;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stopTokenIds: readonly number[];
  readonly stopStrings: readonly string[];
  readonly seed?: number;
  /** Keep the last so many tokens of the prompt; infinite: as many as fit the context. */
  readonly keepPromptTokens: number | undefined;
  /** Candidates beside each token's log probability; undefined: no log probabilities. */
  readonly logprobs: number | undefined;
}

/**
 * Pure. Reads sampling parameters. What has a meaning without a model is read; what only shapes probabilities is checked
 * and has no effect; what would change the form of the answer (several answers, probabilities of the prompt, a grammar) is refused,
 * since the answer would not be what was asked for.
 *
 * @throws DomainError FIELD_INVALID that names each bad field, its value and what is allowed.
 */
export const readSampling = (params: vllm.SamplingParams | undefined): Sampling => {
  if (params === undefined) return { ...DEFAULTS };
  const violations = [...rangeViolations(params), ...supportViolations(params)];
  if (violations.length > 0) throw invalidFields(violations);
  return {
    maxTokens: params.maxTokens,
    minTokens: params.minTokens,
    ignoreEos: params.ignoreEos,
    stopTokenIds: params.stopTokenIds,
    stopStrings: params.stop,
    ...(params.seed === undefined ? {} : { seed: params.seed }),
    keepPromptTokens: keepPromptTokens(params.truncatePromptTokens),
    logprobs: params.logprobs,
  };
};

const DEFAULTS: Sampling = {
  maxTokens: undefined,
  minTokens: 0,
  ignoreEos: false,
  stopTokenIds: [],
  stopStrings: [],
  keepPromptTokens: undefined,
  logprobs: undefined,
};

const keepPromptTokens = (truncate: number | undefined): number | undefined => (truncate === -1 ? Infinity : truncate);

interface Check {
  readonly field: string;
  readonly value: number | undefined;
  readonly isAllowed: (value: number) => boolean;
  readonly allowed: string;
}

const rangeViolations = (params: vllm.SamplingParams): FieldViolation[] => {
  const { maxTokens } = params;
  const checks: readonly Check[] = [
    { field: 'max_tokens', value: maxTokens, isAllowed: (value) => value >= 1, allowed: '1 or more' },
    {
      field: 'min_tokens',
      value: params.minTokens,
      isAllowed: (value) => value <= (maxTokens ?? Infinity),
      allowed: `0 to max_tokens (${maxTokens ?? 'unset'})`,
    },
    { field: 'temperature', value: params.temperature, isAllowed: (value) => value >= 0, allowed: '0 or more' },
    { field: 'top_p', value: params.topP, isAllowed: (value) => value >= 0 && value <= 1, allowed: '0 to 1' },
    { field: 'logprobs', value: params.logprobs, isAllowed: (value) => value >= 0 && value <= 20, allowed: '0 to 20' },
    { field: 'min_p', value: params.minP, isAllowed: (value) => value >= 0 && value <= 1, allowed: '0 to 1' },
    {
      field: 'truncate_prompt_tokens',
      value: params.truncatePromptTokens,
      isAllowed: (value) => value === -1 || value >= 1,
      allowed: '-1, or 1 or more',
    },
  ];
  const violations = checks
    .filter(({ value, isAllowed }) => value !== undefined && !isAllowed(value))
    .map(({ field, value, allowed }) => violation(field, String(value), allowed));
  const empty = params.stop.indexOf('');
  return empty < 0 ? violations : [...violations, violation(`stop[${empty}]`, '""', 'a text of 1 character or more')];
};

const supportViolations = (params: vllm.SamplingParams): FieldViolation[] => {
  const violations: FieldViolation[] = [];
  if (params.n > 1) violations.push(violation('n', String(params.n), '1: a simulated engine gives one answer'));
  if (params.promptLogprobs !== undefined) {
    const allowed = 'unset: a simulated engine has no probabilities of a prompt';
    violations.push(violation('prompt_logprobs', String(params.promptLogprobs), allowed));
  }
  if (params.constraint !== undefined) {
    violations.push(violation('constraint', params.constraint.$case, 'unset: a simulated engine follows no grammar'));
  }
  return violations;
};

const violation = (field: string, value: string, allowed: string): FieldViolation => ({
  field: `sampling_params.${field}`,
  description: `is ${value}; allowed: ${allowed}`,
});
