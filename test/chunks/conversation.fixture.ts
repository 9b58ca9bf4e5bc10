/** A real conversation over retrieved passages: data/README.md. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Chunk } from '@holdfast/sdk';
import { REPOSITORY } from '../vllm/support/launched-process.js';

/** What a turn asks. */
export interface Request {
  readonly question: string;
  readonly chunks: readonly Chunk[];
}

/** Its turns. With an edition, their passages are texts that nobody has seen. */
export const readConversation = async (): Promise<(edition?: string) => readonly Request[]> => {
  const sample = await readFile(join(REPOSITORY, 'test/chunks/data/mtrag-conversation.json'), 'utf8');
  const { turns, passages } = JSON.parse(sample) as {
    readonly turns: readonly { readonly question: string; readonly passages: readonly string[] }[];
    readonly passages: Readonly<Record<string, string>>;
  };
  return (edition = '') =>
    turns.map(({ question, passages: names }) => ({
      question,
      chunks: names.map((id) => {
        const text = `${edition}${passages[id] ?? ''}`;
        return { id, text, source: 'wikipedia', sourceVersion: '2018' };
      }),
    }));
};
