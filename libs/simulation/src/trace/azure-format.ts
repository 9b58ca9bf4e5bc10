import { csvCells, csvRow } from './csv-row.js';
import type { Fields } from './fields.js';
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
      const builder = new ProgramBuilder(`request-${lineNumber - 1}`, 'request');
      builder.arrived(timestampSeconds(row));
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

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d(?:\.\d+)?)$/;

/** Seconds from an origin that is the same for all; time zones and leap seconds do not matter to differences. */
const timestampSeconds = (row: Fields): number => {
  const text = row.text('TIMESTAMP');
  const match = TIMESTAMP.exec(text);
  if (match === null) throw row.bad('TIMESTAMP', text, 'a time such as 2023-11-16 18:17:03.9799600');
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return ((daysOf(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
};

/** Days of the Gregorian calendar, from March of year 0: the leap day is the last of its year (Hinnant 2013). */
const daysOf = (year: number, month: number, day: number): number => {
  const shifted = month < 3 ? year - 1 : year;
  const fromMarch = (month + 9) % 12;
  const leapDays = Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400);
  return 365 * shifted + leapDays + Math.floor((153 * fromMarch + 2) / 5) + day;
};
