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
  /** `run` counts the runs. */
  readonly installed: (run: number) => unknown;
  readonly used: (run: number) => unknown;
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
  const renderings = MESSAGES.map((count): Work => {
    const messages = conversation(count);
    const values = { messages, tools: null, bos_token: '', eos_token: '', add_generation_prompt: true };
    return {
      work: `template, ${count} messages`,
      installed: () => template.render(values),
      used: () => codec.renderMessages(messages, [], { addGenerationPrompt: true }),
    };
  });
  // Each with tokenizers of its own: both remember words, and those of one work would slow the next.
  const encoding = (work: string, textOf: (run: number) => string): Work => {
    const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
    const { encode } = loadTextCodec(archive);
    return {
      work,
      installed: (run) => Array.from<number>(tokenizer.encode(textOf(run), { add_special_tokens: false }).ids),
      used: (run) => Array.from(encode(textOf(run))),
    };
  };
  const encodings = CHARACTERS.flatMap((count) => [
    encoding(`tokens of ${count} characters, known words`, () => SAID.repeat(count / SAID.length + 1).slice(0, count)),
    encoding(`tokens of ${count} characters, new words`, (run) => newWords(run, count)),
  ]);
  return [...renderings, ...encodings].map(measured);
};

/** The two take turns, so that noise hits both. */
const measured = ({ work, installed, used }: Work): TextRow => {
  if (String(installed(-1)) !== String(used(-1))) throw new Error(`${work}: the two results differ`);
  const [installedTimes, usedTimes] = [newTimes(), newTimes()];
  for (let index = 0; index < WARM_UP + MEASURED; index += 1) {
    for (const [times, run] of [
      [installedTimes, installed],
      [usedTimes, used],
    ] as const) {
      const startedAt = process.hrtime.bigint();
      run(index);
      if (index >= WARM_UP) times.recordValue(Number(process.hrtime.bigint() - startedAt));
    }
  }
  const p50Micros = (times: Histogram): number => times.getValueAtPercentile(50) / 1_000;
  return { work, installedP50Micros: p50Micros(installedTimes), usedP50Micros: p50Micros(usedTimes) };
};

/** Words of which no run has one that another has had. */
const newWords = (run: number, characters: number): string => {
  const word = (index: number): string =>
    Array.from({ length: 6 }, (_, place) => String.fromCharCode(97 + (Math.floor(index / 26 ** place) % 26))).join('');
  const count = Math.ceil(characters / 7);
  return Array.from({ length: count }, (_, index) => word((run + 1) * count + index))
    .join(' ')
    .slice(0, characters);
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
