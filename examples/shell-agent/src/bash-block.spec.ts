import { describe, expect, it } from '@jest/globals';
import { bashBlock } from './bash-block.js';

describe('the command of an answer', () => {
  it.each([
    ['a block', 'Look:\n```bash\nls -la\n```\n', 'ls -la'],
    ['a block of several lines', '```sh\ncd x\nmake\n```', 'cd x\nmake'],
    ['the last of several', '```bash\nfirst\n```\nand\n```shell \nsecond\n```', 'second'],
    ['a block beside another language', '```python\nprint()\n```\n```bash\nls\n```', 'ls'],
  ])('is taken from %s', (_, answer, command) => {
    expect(bashBlock(answer)).toBe(command);
  });

  it.each([
    ['plain text', 'run ls'],
    ['another language', '```python\nprint()\n```'],
    ['a block that is not closed', '```bash\nrm -rf x'],
    ['an empty block', '```bash\n\n```'],
    ['inline code', 'use ```bash ls``` here'],
  ])('is none in %s', (_, answer) => {
    expect(bashBlock(answer)).toBeUndefined();
  });
});
