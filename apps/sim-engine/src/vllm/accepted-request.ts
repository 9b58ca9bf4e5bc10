import type { vllm } from '@holdfast/contracts';
import { DomainError, invalidFields } from '@holdfast/platform';
import type { EngineSettings } from '../engine-settings.js';
import { type OutputPlan, planOutput } from '../output/output-plan.js';
import { toolCallAnswer } from '../output/tool-call-answer.js';
import { encodeText } from '../tokenizer/byte-level-tokenizer.js';
import { readHints, type RequestHints } from './hints.js';
import { readSampling, type Sampling } from './sampling.js';

/** A request that the engine runs. */
export interface AcceptedRequest {
  readonly promptIds: Uint32Array;
  readonly plan: OutputPlan;
  readonly hints: RequestHints | undefined;
  readonly isStreamed: boolean;
  /** Candidates of each output token's log probabilities; undefined: none are wanted. */
  readonly logprobs: number | undefined;
}

/**
 * Pure. Checks a request as vLLM's front end does, and works out what it will generate.
 *
 * @throws DomainError of kind `invalid` that names the field, its value and what is allowed.
 */
export const acceptRequest = (request: vllm.GenerateRequest, settings: EngineSettings): AcceptedRequest => {
  checkRank(request.dataParallelRank);
  const sampling = readSampling(request.samplingParams);
  const promptIds = truncate(readPrompt(request, settings), sampling, settings);
  const hints = readHints(request.kvTransferParamsJson);
  const room = settings.maxContextTokens - promptIds.length;
  const answerIds = toolCallAnswer({ promptIds, callsPerTask: settings.toolCallsPerTask, seed: settings.seed });
  const plan = planOutput({
    ...sampling,
    engineSeed: settings.seed,
    promptIds,
    maxTokens: Math.min(sampling.maxTokens ?? room, room),
    ...(answerIds === undefined ? {} : { answerIds }),
  });
  return { promptIds, plan, hints, isStreamed: request.stream, logprobs: sampling.logprobs };
};

const checkRank = (rank: number | undefined): void => {
  if (rank === undefined || rank === 0) return;
  throw invalidFields([
    { field: 'data_parallel_rank', description: `is ${rank}; allowed: 0, the engine has one rank` },
  ]);
};

const readPrompt = ({ input }: vllm.GenerateRequest, settings: EngineSettings): Uint32Array => {
  switch (input?.$case) {
    case 'tokenized':
      return checkIds(Uint32Array.from(input.value.inputIds), settings.vocabularySize);
    case 'text':
      return encodeText(input.value);
    case undefined:
      throw invalidFields([{ field: 'input', description: 'is unset; allowed: tokenized or text' }], 'PROMPT_EMPTY');
  }
};

const checkIds = (ids: Uint32Array, vocabularySize: number): Uint32Array => {
  const position = ids.findIndex((id) => id >= vocabularySize);
  if (position < 0) return ids;
  const description = `is ${ids[position]}; allowed: 0 to ${vocabularySize - 1}`;
  throw invalidFields([{ field: `tokenized.input_ids[${position}]`, description }], 'TOKEN_OUT_OF_VOCABULARY');
};

const truncate = (promptIds: Uint32Array, { keepPromptTokens }: Sampling, settings: EngineSettings): Uint32Array => {
  const most = settings.maxContextTokens - 1;
  const kept = keepPromptTokens === undefined ? promptIds : promptIds.slice(-Math.min(keepPromptTokens, most));
  if (kept.length === 0) {
    const description = `has 0 tokens; allowed: 1 to ${most}`;
    throw invalidFields([{ field: 'tokenized.input_ids', description }], 'PROMPT_EMPTY');
  }
  if (kept.length > most) {
    throw new DomainError({
      kind: 'invalid',
      reason: 'PROMPT_TOO_LONG',
      message: `the prompt has ${kept.length} tokens; allowed: 1 to ${most}, and one of output (max_context_length ${settings.maxContextTokens})`,
      metadata: { promptTokens: String(kept.length), maxContextTokens: String(settings.maxContextTokens) },
    });
  }
  return kept;
};
