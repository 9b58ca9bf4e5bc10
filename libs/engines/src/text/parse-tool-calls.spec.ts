import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseToolCalls } from './parse-tool-calls.js';

const call = (tool: string, args: unknown, toolCallId = ''): unknown => ({
  toolCallId,
  tool,
  argumentsJson: JSON.stringify(args),
});

describe('parseToolCalls', () => {
  it.each([
    [
      'Hermes, with words around',
      'Let me look.\n<tool_call>\n{"name": "read", "arguments": {"path": "a"}}\n</tool_call>\n',
      { text: 'Let me look.', toolCalls: [call('read', { path: 'a' })] },
    ],
    [
      'two Hermes calls, the last one cut by the stop token',
      '<tool_call>{"name":"a","arguments":{}}</tool_call><tool_call>{"name":"b","arguments":{"x":1}}',
      { text: '', toolCalls: [call('a', {}), call('b', { x: 1 })] },
    ],
    [
      'a message in OpenAI form, arguments as text',
      '{"content":"Sure","tool_calls":[{"id":"c1","type":"function","function":{"name":"bash","arguments":"{\\"command\\":\\"ls\\"}"}}]}',
      { text: 'Sure', toolCalls: [call('bash', { command: 'ls' }, 'c1')] },
    ],
    ['one call as JSON', '{"name":"f","parameters":{"x":[1]}}', { text: '', toolCalls: [call('f', { x: [1] })] }],
    [
      'a list of calls in a fence',
      '```json\n[{"name":"f","arguments":{}},{"name":"g","arguments":{}}]\n```',
      { text: '', toolCalls: [call('f', {}), call('g', {})] },
    ],
    [
      'a fenced shell block',
      'I list the files.\n\n```bash\nls -la\ncat a\n```\n',
      { text: 'I list the files.', toolCalls: [call('bash', { command: 'ls -la\ncat a' })] },
    ],
  ])('reads %s', (_name, answer, expected) => {
    expect(parseToolCalls(answer)).toEqual(expected);
  });

  it.each([
    ['plain words', 'No tools here.'],
    ['Hermes tags around no JSON', '<tool_call>run it</tool_call>'],
    ['a call without arguments', '{"name":"f"}'],
    ['arguments that are no object', '{"name":"f","arguments":"ls"}'],
    ['JSON that is data', '[{"name":"Ada"},{"name":"f","arguments":{}}]'],
    ['an empty list', '{"tool_calls":[]}'],
    ['an empty shell block', '```bash\n\n```'],
    ['a shell block that does not end', '```bash\nls'],
    ['code in another language', '```python\nprint(1)\n```'],
    ['nothing', ''],
  ])('leaves %s as text', (_name, answer) => {
    expect(parseToolCalls(answer)).toEqual({ text: answer, toolCalls: [] });
  });

  it('keeps what it cannot parse beside what it can', () => {
    const parsed = parseToolCalls('<tool_call>oops</tool_call> <tool_call>{"name":"f","arguments":{}}</tool_call>');
    expect(parsed).toEqual({ text: '<tool_call>oops</tool_call>', toolCalls: [call('f', {})] });
  });

  it('takes any text without throwing, and returns it whole where there is no call', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (answer) => {
        const parsed = parseToolCalls(answer);
        expect(parsed.toolCalls.length > 0 || parsed.text === answer).toBe(true);
      }),
    );
  });
});
