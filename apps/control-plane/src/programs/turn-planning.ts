import type { program as wire } from '@holdfast/contracts';
import type { JsonValue, StoredTurnInputKind } from '@holdfast/persistence';
import { DomainError, invalidFields, type ReasonName } from '@holdfast/platform';
import { layChunks } from '../chunks/chunk-layout.js';
import type { PoolModel } from '../engines/engine-registry.js';
import type { LiveTurn, TurnPlan } from '../turns/live-turn.js';
import type { LiveProgram } from './live-program.js';
import { noEngineYet } from './program-errors.js';
import type { PreparedPrompt } from './program-context.js';
import type { ProgramServices } from './program-services.js';
import { samplingOf } from './turn-sampling.js';

/** A prompt laid over the program's context, with what its row needs. */
export interface LaidPrompt {
  readonly prompt: PreparedPrompt;
  readonly inputKind: StoredTurnInputKind;
  /** Null for token ids. */
  readonly messages: JsonValue;
}

/** @throws DomainError ENGINE_UNREACHABLE while the pool's model is not known. */
export const requireModel = (services: ProgramServices): PoolModel => {
  const { model } = services.pool.engines;
  if (model === null) throw noEngineYet();
  return model;
};

/**
 * Modifies the program's context, after all checks.
 *
 * @throws DomainError PROMPT_EMPTY, PROMPT_TOO_LONG or TOKEN_OUT_OF_VOCABULARY.
 */
export const layPrompt = (
  services: ProgramServices,
  program: LiveProgram,
  call: { readonly turn: LiveTurn; readonly request: wire.RunTurnRequest; readonly model: PoolModel },
): LaidPrompt => {
  const { request, model } = call;
  const { input } = request;
  const { context } = program;
  if (input === undefined || context === null) throw new Error('a turn is laid without input or context');
  const encoded = encodeInput(services, program, call);
  const promptTokens = (encoded.extends ? context.length : 0) + encoded.ids.length;
  checkPrompt({ ids: encoded.ids, promptTokens, field: fieldOf(input.$case), model, sampling: request.sampling });
  const prompt = encoded.extends ? context.append(encoded.ids) : context.replace(encoded.ids);
  return { prompt, inputKind: input.$case, messages: encoded.messages };
};

const encodeInput = (
  services: ProgramServices,
  program: LiveProgram,
  { turn, request: { input, chunks } }: { readonly turn: LiveTurn; readonly request: wire.RunTurnRequest },
): { readonly ids: ArrayLike<number>; readonly extends: boolean; readonly messages: JsonValue } => {
  if (input === undefined) throw new Error('a turn is laid without input');
  if (input.$case === 'append' || input.$case === 'prompt') {
    return { ids: input.value.ids, extends: input.$case === 'append', messages: null };
  }
  if (chunks.length === 0) return services.text.encode(program, turn, input);
  const { headIds, tailIds, messages } = services.text.encodeAround(program, turn, input);
  const { tenantId } = program.facts;
  const laid = services.chunks.arrange(
    tenantId,
    layChunks(chunks, (text) => services.text.encodeChunk(text)),
  );
  services.chunks.laid(turn, { tenantId, headIds, chunks: laid, tailTokens: tailIds.length });
  return { ids: concatenated([headIds, ...laid.map(({ tokenIds }) => tokenIds), tailIds]), extends: false, messages };
};

const concatenated = (parts: readonly Uint32Array[]): Uint32Array => {
  const ids = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    ids.set(part, at);
    at += part.length;
  }
  return ids;
};

/** Pure. What the engine is asked for. */
export const planTurn = (request: wire.RunTurnRequest, prompt: PreparedPrompt, model: PoolModel): TurnPlan => ({
  promptIds: prompt.promptIds,
  sharedTokens: prompt.sharedTokens,
  isCompaction: prompt.isCompaction,
  sampling: samplingOf(request.sampling, {
    room: model.maxContextTokens - prompt.promptIds.length,
    vocabularySize: model.vocabularySize,
  }),
  isLast: request.last,
});

const fieldOf = (inputCase: string): string =>
  ({ append: 'append.ids', prompt: 'prompt.ids', appendMessages: 'append_messages' })[inputCase] ?? inputCase;

const checkPrompt = (check: {
  readonly ids: ArrayLike<number>;
  readonly promptTokens: number;
  readonly field: string;
  readonly model: PoolModel;
  readonly sampling: wire.Sampling | undefined;
}): void => {
  const { ids, promptTokens, field, model, sampling } = check;
  if (promptTokens === 0) throw promptError('PROMPT_EMPTY', field, 'holds no tokens; allowed: at least 1');
  const { vocabularySize, maxContextTokens } = model;
  for (let index = 0; index < ids.length; index += 1) {
    const id = ids[index] ?? 0;
    if (id < vocabularySize) continue;
    const allowed = `allowed: 0 to ${vocabularySize - 1}`;
    throw promptError('TOKEN_OUT_OF_VOCABULARY', `${field}[${index}]`, `is ${id}; ${allowed}`);
  }
  const outputTokens = sampling?.maxTokens ?? 1;
  if (promptTokens + outputTokens <= maxContextTokens) return;
  throw promptError(
    'PROMPT_TOO_LONG',
    field,
    `the prompt has ${promptTokens} tokens and ${outputTokens} of output were asked for; ` +
      `allowed: ${maxContextTokens} together`,
  );
};

const promptError = (reason: ReasonName, field: string, description: string): DomainError =>
  invalidFields([{ field, description }], reason);
