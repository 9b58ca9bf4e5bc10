import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { limitProgram, type ProgramLimits, type RecordedProgram } from '@holdfast/simulation';
import { readTrace } from './read-trace.js';

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
  readonly file: string;
}

/** Pure. */
export const toTraceArgument = (text: string): TraceArgument => {
  const named = /^([\w.-]+)=(.+)$/.exec(text);
  if (named !== null) return { name: named[1]!, file: named[2]! };
  return { name: basename(text).replace(/(\.packed|\.numeric|\.jsonl|\.csv|\.gz|\.tar|\.tgz)+$/, ''), file: text };
};

/** Reads a trace into memory, within limits. */
export const loadTrace = async ({ name, file }: TraceArgument, limits: ProgramLimits): Promise<LoadedTrace> => {
  const programs: RecordedProgram[] = [];
  const hash = createHash('sha256');
  await readTrace(file, (recorded) => {
    const program = limitProgram(recorded, limits);
    programs.push(program);
    hash.update(JSON.stringify(program));
  });
  return { name, file, programs, digest: hash.digest('hex') };
};
