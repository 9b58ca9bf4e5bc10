import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Interrupted } from '../cli/exit.js';
import type { CommandIo } from '../commands/compare.js';
import { writeWhole } from '../output/write-files.js';
import { chunkCensus } from './chunk-census.js';
import { chunkReportHtml } from './chunk-report.js';
import type { ChunkSettings } from './chunk-settings.js';
import { censusText, compareText } from './chunk-tables.js';
import { compareRows, type ChunkRow } from './compare-rows.js';
import { readChunkTrace } from './read-chunk-trace.js';

/** Prints what is in traces of chunks, as text or as one JSON document. */
export const inspectChunks = async (
  files: readonly string[],
  format: 'text' | 'json',
  output: NodeJS.WritableStream,
): Promise<void> => {
  const traces = await Promise.all(files.map(readChunkTrace));
  const found = traces.map((trace) => ({ trace, census: chunkCensus(trace) }));
  if (format === 'text') {
    output.write(found.map(({ trace, census }) => censusText(trace, census)).join('\n'));
    return;
  }
  const documents = found.map(({ trace: { file, format: read, notes }, census }) => {
    return { file, format: read, notes, ...census };
  });
  output.write(`${JSON.stringify({ schema: 'holdfast.lab.chunk-census/v1', traces: documents }, null, 2)}\n`);
};

/** Replays traces of chunks under every policy at every capacity: tables, and files in the output folder if there is one. */
export const compareChunks = async (settings: ChunkSettings, io: CommandIo): Promise<readonly ChunkRow[]> => {
  const { out, files } = settings;
  const traces = await Promise.all(files.map(readChunkTrace));
  const rows: ChunkRow[] = [];
  for (const trace of traces) {
    for (const row of compareRows(trace, settings)) {
      rows.push(row);
      // Lets Ctrl-C through between two replays.
      await setImmediate();
      if (io.signal.aborted) throw new Interrupted('stopped; nothing is kept');
    }
  }
  io.output.write(compareText(rows));
  if (out === null) return rows;
  mkdirSync(out, { recursive: true });
  const document = { schema: 'holdfast.lab.chunks/v1', settings: printable(settings), rows };
  writeWhole(join(out, 'chunks.json'), `${JSON.stringify(document, null, 2)}\n`);
  writeWhole(join(out, 'chunks.html'), chunkReportHtml(rows, describe(settings)));
  io.output.write(`\nWritten: ${join(out, 'chunks.json')}, ${join(out, 'chunks.html')}\n`);
  return rows;
};

const printable = (settings: ChunkSettings): object => ({
  ...settings,
  variants: settings.variants.map((most) => (Number.isFinite(most) ? most : 'any')),
});

const describe = ({ form, admitAbove }: ChunkSettings): string =>
  `Recompute share: ${form.kind} form, alpha ${form.alpha}; a further variant is stored above a share of ${admitAbove}.`;
