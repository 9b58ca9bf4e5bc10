import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { limitProgram, type ProgramLimits, type RecordedProgram } from '@holdfast/simulation';
import { readTrace } from './read-trace.js';
import { TraceFileError } from './trace-file-error.js';

/** A trace to simulate. */
export interface LoadedTrace {
  readonly name: string;
  readonly file: string;
  readonly programs: readonly RecordedProgram[];
  /** Of what was read, so that finished work is only reused for the same programs. */
  readonly digest: string;
}

/** `FILE` or `NAME=FILE`; without a name, the file's name without its endings. */
export interface TraceArgument {
  readonly name: string;
  /** Or several, with `+` between them: programs of all of them come. */
  readonly file: string;
}

/** The files of a trace. Looks on the disk: a name may hold a `+` itself. */
export const filesOf = (file: string): readonly string[] => (existsSync(file) ? [file] : file.split('+'));

/** Every program of a trace, or every second one: rules are tuned on one half and judged on the other. */
export const PROGRAM_SELECTIONS = ['all', 'even', 'odd'] as const;

export type ProgramSelection = (typeof PROGRAM_SELECTIONS)[number];

/** Pure. Whether the program at this place, counted from 0, is one of them. */
const isSelected = (select: ProgramSelection, place: number): boolean =>
  select === 'all' || (place % 2 === 0) === (select === 'even');

/** Pure. */
export const toTraceArgument = (text: string): TraceArgument => {
  const named = /^([\w.-]+)=(.+)$/.exec(text);
  if (named !== null) return { name: named[1]!, file: named[2]! };
  return { name: basename(text).replace(/(\.packed|\.numeric|\.jsonl|\.csv|\.gz|\.tar|\.tgz)+$/, ''), file: text };
};

/** Reads a trace into memory, within limits. Throws a TraceFileError when no program is selected. */
export const loadTrace = async (
  { name, file }: TraceArgument,
  limits: ProgramLimits & { readonly select: ProgramSelection },
): Promise<LoadedTrace> => {
  const programs: RecordedProgram[] = [];
  const hash = createHash('sha256');
  const ids = new Set<string>();
  for (const one of filesOf(file)) {
    let place = 0;
    const before = programs.length;
    await readTrace(one, (recorded) => {
      place += 1;
      if (!isSelected(limits.select, place - 1)) return;
      const program = limitProgram(recorded, limits);
      if (ids.has(program.programId))
        throw new TraceFileError(one, `program "${program.programId}" is in a file before`);
      ids.add(program.programId);
      programs.push(program);
      hash.update(JSON.stringify(program));
    });
    if (programs.length === before) {
      throw new TraceFileError(one, `has no ${limits.select} programs, as it has ${place}`);
    }
  }
  return { name, file, programs, digest: hash.digest('hex') };
};
