import type { KneeRow } from '../commands/knee.js';
import type { Cells } from './cells.js';

/** A part of the document: what is run, and what is written of it. */
export interface Section {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** Options of `compare` by the name under which `write` asks for them; AGENTCGROUP and WEKA stand for the files. */
  readonly compares: Readonly<Record<string, string>>;
  /** The same of `knee`. */
  readonly knees?: Readonly<Record<string, string>>;
  /** Pure. Markdown. */
  readonly write: (found: Found) => string;
  /** Pure. A picture beside the document; absent: none. */
  readonly draw?: (found: Found) => Picture;
}

export interface Picture {
  /** Beside the document. */
  readonly file: string;
  readonly svg: string;
}

export interface Found {
  readonly cells: (name: string) => Cells;
  readonly knee: (name: string) => readonly KneeRow[];
}

/** Odd-numbered programs: parameters were chosen on the even ones. */
export const AGENTCGROUP = '--trace agentcgroup=AGENTCGROUP --select odd --programs 300';
export const WEKA = '--trace weka=WEKA --select odd --programs 300 --engine h100-llama-3.1-70b-tp4';
