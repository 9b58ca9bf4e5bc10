/** Text of conversations: the chat template as its library is installed and as the build rewrites it (ADR 0008). */
import { loadTextCodec, type ChatMessage } from '@holdfast/engines';
import { Template } from '@huggingface/jinja';
import { build, type Histogram } from 'hdr-histogram-js';

/** A whole conversation of so many messages, rendered. */
export interface TextRow {
  readonly messages: number;
  readonly installedP50Micros: number;
  readonly rewrittenP50Micros: number;
}

const MESSAGES = [10, 100, 400];
const WARM_UP = 1_000;
const MEASURED = 2_000;
const SAID = 'The build fails in module seven; read the log, find the cause and say what to change.';

/** The parts of the built simulated engine that are measured. */
interface SimEngineText {
  readonly tokenizerArchive: (facts: { readonly vocabularySize: number; readonly maxContextTokens: number }) => {
    readonly bytes: Uint8Array;
  };
  readonly chatTemplate: string;
}

/** The two take turns, so that noise hits both. */
export const benchText = async (): Promise<readonly TextRow[]> => {
  const { tokenizerArchive, chatTemplate } = await simEngineText();
  const codec = loadTextCodec(tokenizerArchive({ vocabularySize: 0, maxContextTokens: 8_192 }).bytes);
  const installed = new Template(chatTemplate);
  return MESSAGES.map((count) => {
    const messages = conversation(count);
    const values = { messages, tools: null, bos_token: '', eos_token: '', add_generation_prompt: true };
    const ways = [
      { times: newTimes(), render: () => installed.render(values) },
      { times: newTimes(), render: () => codec.renderMessages(messages, [], { addGenerationPrompt: true }) },
    ] as const;
    if (ways[0].render() !== ways[1].render()) throw new Error('the two renderings differ');
    for (let index = 0; index < WARM_UP + MEASURED; index += 1) {
      for (const { times, render } of ways) {
        const startedAt = process.hrtime.bigint();
        render();
        if (index >= WARM_UP) times.recordValue(Number(process.hrtime.bigint() - startedAt));
      }
    }
    const [installedP50Micros, rewrittenP50Micros] = ways.map(({ times }) => times.getValueAtPercentile(50) / 1_000);
    return {
      messages: count,
      installedP50Micros: installedP50Micros ?? 0,
      rewrittenP50Micros: rewrittenP50Micros ?? 0,
    };
  });
};

const newTimes = (): Histogram => build({ highestTrackableValue: 10_000_000_000, numberOfSignificantValueDigits: 3 });

const simEngineText = async (): Promise<SimEngineText> => {
  const built = new URL('../../../apps/sim-engine/dist/tokenizer/', import.meta.url).href;
  const [archive, template] = await Promise.all(
    ['tokenizer-archive.js', 'chat-template.js'].map((file) => import(`${built}${file}`) as Promise<object>),
  );
  return { ...archive, ...template } as SimEngineText;
};

const conversation = (count: number): ChatMessage[] =>
  Array.from({ length: count }, (_, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content: SAID }));
