import { describe, expect, it } from '@jest/globals';
import { seconds } from '@holdfast/scheduling';
import { commandClass } from './command-class.js';

describe('commandClass', () => {
  it.each([
    ['pytest -q tests', 'pytest'],
    ['cd /repo && npm test', 'npm test'],
    ['cd repo; FOO=1 sudo make -j4 check', 'make check'],
    ['python -m pytest -x | tail -20', 'python -m pytest'],
    ['python3 setup.py build', 'python'],
    ['python3 -c "import os; os.stat(\'a && b\')"', 'python -c'],
    ['timeout 30s cargo build 2>&1 | grep error', 'cargo build'],
    ['/usr/bin/git -C /repo status', 'git status'],
    ['git commit -m "tests; and then && make"', 'git commit'],
    ['pytest -q > out.txt', 'pytest'],
    ['uv run pytest -q', 'uv run pytest'],
    ['npm run build', 'npm run build'],
    ['cd /app\n# the slow ones\npytest -q \\\n  tests/slow', 'pytest'],
    ["python - <<'EOF'\nimport a; b()\nEOF\nls", 'ls'],
    ['cat > a.py <<EOF\nmake all\nEOF', 'cat'],
    ['bash -lc "cd /app && cargo test"', 'cargo test'],
    ['for f in 1 2; do pytest $f; done', 'pytest'],
    ['sleep 30 && echo done', 'sleep 30'],
    ['pytest; sleep 1', 'pytest'],
    ['cat file | head', 'head'],
    ['   ', null],
    ['"unclosed', 'unclosed'],
    ['echo ${', null],
  ])('of %j is %j', (command, expected) => {
    expect(commandClass(command).name).toBe(expected);
  });

  it.each([
    ['timeout 30s cargo build', 30],
    ['cd /app && timeout -k 5 2m pytest | tail', 120],
    ['timeout -s KILL 0.5h make', 1_800],
    ['timeout 60 bash -c "make all"', 60],
    ['timeout 5 true; pytest', null],
    ['pytest --timeout 30', null],
    ['timeout soon pytest', null],
  ])('of %j ends by itself after %j seconds', (command, expected) => {
    expect(commandClass(command).timeout).toBe(expected === null ? null : seconds(expected));
  });

  it('keeps no long text', () => {
    expect(commandClass('x'.repeat(4_096)).name?.length).toBeLessThanOrEqual(64);
  });
});
