/** Text of conversations: what the libraries take as they are installed, and as the service uses them (ADR 0008). */
import { loadTextCodec, type ChatMessage } from '@holdfast/engines';
import { Template } from '@huggingface/jinja';
import { Tokenizer } from '@huggingface/tokenizers';
import { strFromU8, unzipSync } from 'fflate';
import { build, type Histogram } from 'hdr-histogram-js';

/** One piece of work on text. */
export interface TextRow {
  readonly work: string;
  readonly installedP50Micros: number;
  readonly usedP50Micros: number;
}

interface Work {
  readonly work: string;
  readonly installed: () => unknown;
  readonly used: () => unknown;
}

const MESSAGES = [10, 100, 400];
const CHARACTERS = [400, 8_000];
const WARM_UP = 1_000;
const MEASURED = 2_000;
const SAID = 'The build fails in module seven; read the log, find the cause and say what to change. ';

/** The parts of the built simulated engine that are measured. */
interface SimEngineText {
  readonly tokenizerArchive: (facts: { readonly vocabularySize: number; readonly maxContextTokens: number }) => {
    readonly bytes: Uint8Array;
  };
  readonly chatTemplate: string;
}

/** Through the chat template and the byte-level tokenizer of the simulated engine. */
export const benchText = async (): Promise<readonly TextRow[]> => {
  const { tokenizerArchive, chatTemplate } = await simEngineText();
  const archive = tokenizerArchive({ vocabularySize: 0, maxContextTokens: 8_192 }).bytes;
  const codec = loadTextCodec(archive);
  const template = new Template(chatTemplate);
  const files = unzipSync(archive);
  const json = (name: string): object => JSON.parse(strFromU8(files[name] ?? new Uint8Array())) as object;
  const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
  const renderings = MESSAGES.map((count): Work => {
    const messages = conversation(count);
    const values = { messages, tools: null, bos_token: '', eos_token: '', add_generation_prompt: true };
    return {
      work: `template, ${count} messages`,
      installed: () => template.render(values),
      used: () => codec.renderMessages(messages, [], { addGenerationPrompt: true }),
    };
  });
  const encodings = CHARACTERS.map((count): Work => {
    const text = SAID.repeat(Math.ceil(count / SAID.length)).slice(0, count);
    return {
      work: `tokens of ${count} characters`,
      installed: () => Array.from<number>(tokenizer.encode(text, { add_special_tokens: false }).ids),
      used: () => Array.from(codec.encode(text)),
    };
  });
  return [...renderings, ...encodings].map(measured);
};

/** The two take turns, so that noise hits both. */
const measured = ({ work, installed, used }: Work): TextRow => {
  if (String(installed()) !== String(used())) throw new Error(`${work}: the two results differ`);
  const [installedTimes, usedTimes] = [newTimes(), newTimes()];
  for (let index = 0; index < WARM_UP + MEASURED; index += 1) {
    for (const [times, run] of [
      [installedTimes, installed],
      [usedTimes, used],
    ] as const) {
      const startedAt = process.hrtime.bigint();
      run();
      if (index >= WARM_UP) times.recordValue(Number(process.hrtime.bigint() - startedAt));
    }
  }
  const p50Micros = (times: Histogram): number => times.getValueAtPercentile(50) / 1_000;
  return { work, installedP50Micros: p50Micros(installedTimes), usedP50Micros: p50Micros(usedTimes) };
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
