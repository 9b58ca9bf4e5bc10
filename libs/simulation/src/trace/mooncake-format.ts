import type { RecordedProgram } from '../lab/workload.js';
import { Fields } from './fields.js';
import { ProgramBuilder } from './program-builder.js';
import type { TraceParser } from './trace-parser.js';

/** Tokens of a block of this trace. */
const BLOCK_TOKENS = 512;

interface Session {
  readonly builder: ProgramBuilder;
  blocks: number;
  calledAtMs: number;
}

/**
 * Requests without session ids. Equal block ids mean equal blocks behind equal prefixes, so a request continues the
 * latest session whose newest prompt it repeats but for its last, partly filled block. Time between two requests counts
 * as the gap (an upper bound: model time is in it), and people answer, so no tool runs.
 */
export const mooncakeParser = (): TraceParser => new MooncakeParser();

class MooncakeParser implements TraceParser {
  readonly #sessions: Session[] = [];
  /** Session whose newest prompt has this block. */
  readonly #ownerOf = new Map<number, Session>();

  take(line: string, lineNumber: number): readonly RecordedProgram[] {
    const record = Fields.ofJson(line, lineNumber);
    const ids = record.ids('hash_ids');
    const atMs = record.number('timestamp');
    const { session, sharedBlocks } = this.#sessionOf(ids);
    if (session.builder.turns === 0) session.builder.arrived(atMs / 1_000);
    session.builder.gap(Math.max(0, atMs - session.calledAtMs) / 1_000);
    session.builder.call({
      promptTokens: record.tokens('input_length'),
      sharedTokens: sharedBlocks * BLOCK_TOKENS,
      outputTokens: record.tokens('output_length'),
    });
    session.blocks = ids.length;
    session.calledAtMs = atMs;
    for (const id of ids) this.#ownerOf.set(id, session);
    return [];
  }

  finish(): readonly RecordedProgram[] {
    return this.#sessions.map(({ builder }) => builder.build());
  }

  #sessionOf(ids: readonly number[]): { readonly session: Session; readonly sharedBlocks: number } {
    let sharedBlocks = 0;
    while (sharedBlocks < ids.length && this.#ownerOf.has(ids[sharedBlocks]!)) sharedBlocks += 1;
    const owner = sharedBlocks === 0 ? undefined : this.#ownerOf.get(ids[sharedBlocks - 1]!);
    if (owner !== undefined && owner.blocks >= 2 && sharedBlocks >= owner.blocks - 1) {
      return { session: owner, sharedBlocks };
    }
    const builder = new ProgramBuilder(`session-${this.#sessions.length + 1}`, 'conversation');
    const session: Session = { builder, blocks: 0, calledAtMs: 0 };
    this.#sessions.push(session);
    return { session, sharedBlocks: 0 };
  }
}
