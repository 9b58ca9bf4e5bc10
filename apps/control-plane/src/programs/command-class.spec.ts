import { describe, expect, it } from '@jest/globals';
import { commandClass } from './command-class.js';

describe('commandClass', () => {
  it.each([
    ['pytest -q tests', 'pytest'],
    ['cd /repo && npm test', 'npm test'],
    ['cd repo; FOO=1 sudo make -j4 check', 'make check'],
    ['python -m pytest -x | tail -20', 'python -m pytest'],
    ['python3 setup.py build', 'python3'],
    ['timeout 30s cargo build 2>&1 | grep error', 'cargo build'],
    ['/usr/bin/git -C /repo status', 'git status'],
    ['cat file | head', 'head'],
    ['   ', null],
  ])('of %j is %j', (command, expected) => {
    expect(commandClass(command)).toBe(expected);
  });

  it('keeps no long text', () => {
    expect(commandClass('x'.repeat(4_096))?.length).toBeLessThanOrEqual(64);
  });
});
