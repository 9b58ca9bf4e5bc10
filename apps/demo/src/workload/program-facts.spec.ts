import { describe, expect, it } from '@jest/globals';
import { parseProgramFacts, readProgramFacts } from './program-facts.js';

const aTurn = { promptTokens: 100, sharedTokens: 0, outputTokens: 10, gapSeconds: 0, tool: 'tool' };
const aLine = (...turns: readonly object[]): string => JSON.stringify({ id: 'trace_1.0', turns });

describe('the file of programs', () => {
  it('is read line by line', () => {
    const text = `${aLine(aTurn, { ...aTurn, promptTokens: 150, sharedTokens: 110, gapSeconds: 2.5 })}\n${aLine(aTurn)}\n`;
    expect(parseProgramFacts(text, 'f')).toEqual([
      { id: 'trace_1.0', turns: [aTurn, { ...aTurn, promptTokens: 150, sharedTokens: 110, gapSeconds: 2.5 }] },
      { id: 'trace_1.0', turns: [aTurn] },
    ]);
  });

  it.each([
    ['not json', 'f:2: is not a JSON object'],
    ['{"id":"","turns":[]}', 'f:2: id is ""; allowed: text that is not empty'],
    ['{"id":"a","turns":[]}', 'f:2: turns is []; allowed: a list of at least one turn'],
    [aLine({ ...aTurn, promptTokens: 1.5 }), 'f:2: turns[0]: promptTokens is 1.5; allowed: a whole number from 1 to'],
    [aLine({ ...aTurn, sharedTokens: 1 }), 'f:2: turns[0]: sharedTokens is 1; allowed: a whole number from 0 to 0'],
    [
      aLine(aTurn, { ...aTurn, promptTokens: 200, sharedTokens: 111 }),
      'f:2: turns[1]: sharedTokens is 111; allowed: a whole number from 0 to 110',
    ],
    [aLine({ ...aTurn, gapSeconds: -1 }), 'f:2: turns[0]: gapSeconds is -1; allowed: a number from 0'],
    [aLine({ ...aTurn, tool: 7 }), 'f:2: turns[0]: tool is 7; allowed: text that is not empty'],
  ])('names line and field of %s', (line, message) => {
    expect(() => parseProgramFacts(`${aLine(aTurn)}\n${line}\n`, 'f')).toThrow(message);
  });

  it('as bundled holds 60 programs whose contexts stay within the model', () => {
    const programs = readProgramFacts(new URL('../../data/programs.jsonl', import.meta.url));
    expect(programs).toHaveLength(60);
    expect(new Set(programs.map(({ id }) => id)).size).toBe(60);
    const contexts = programs.flatMap(({ turns }) => turns.map((turn) => turn.promptTokens + turn.outputTokens));
    expect(Math.max(...contexts)).toBeLessThanOrEqual(128_000);
    expect(Math.min(...programs.map(({ turns }) => turns[0]?.promptTokens ?? 0))).toBeGreaterThanOrEqual(32_000);
  });
});
