import { csvCells, csvRow } from './csv-row.js';
import { ProgramBuilder } from './program-builder.js';
import type { TraceParser } from './trace-parser.js';

/** Columns of the Azure traces. */
export const AZURE_COLUMNS: readonly string[] = ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'];

/** Single requests without sessions: each is a program of one turn. */
export const azureParser = (headerLine: string): TraceParser => {
  const header = csvCells(headerLine);
  return {
    take: (line, lineNumber) => {
      const row = csvRow(header, line, lineNumber);
      row.text('TIMESTAMP');
      const builder = new ProgramBuilder(`request-${lineNumber - 1}`, 'request');
      builder.call({
        promptTokens: row.tokens('ContextTokens'),
        sharedTokens: 0,
        outputTokens: row.tokens('GeneratedTokens'),
      });
      return [builder.build()];
    },
    finish: () => [],
  };
};
