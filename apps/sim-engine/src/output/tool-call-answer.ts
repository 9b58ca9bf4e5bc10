/**
 * Answers that call a tool, as an agent's model gives them: a prompt in the engine's own template names tools, and each
 * message of the user is worked on with a number of calls before it is answered in words.
 */
import { encodeText, eosTokenId, specialTokens } from '../tokenizer/byte-level-tokenizer.js';
import { mix } from './mix.js';

/** What decides the call. */
export interface ToolCallRequest {
  readonly promptIds: Uint32Array;
  /** Calls for each message of the user. */
  readonly callsPerTask: number;
  readonly seed: number;
}

const [MESSAGE_START] = encodeText(specialTokens[1]);
const USER = encodeText(`${specialTokens[1]}user\n`);
const TOOL = encodeText(`${specialTokens[1]}tool\n`);
const WORDS = ['alpha', 'beta', 'gamma', 'delta', 'kappa', 'lambda', 'omega', 'sigma'];

/** Pure. The token ids of a call; undefined when the prompt names no tool, or its task has had its calls. */
export const toolCallAnswer = ({ promptIds, callsPerTask, seed }: ToolCallRequest): Uint32Array | undefined => {
  if (callsPerTask === 0) return undefined;
  const results = resultsOfTask(promptIds);
  if (results >= callsPerTask) return undefined;
  const tools = toolsOf(promptIds);
  const state = mix(seed, results);
  const tool = tools[state % Math.max(1, tools.length)];
  if (tool === undefined) return undefined;
  const call = { name: tool.name, arguments: valueFor(tool.parameters, state) };
  return encodeText(`<tool_call>\n${JSON.stringify(call)}\n</tool_call>`);
};

/** Tool results after the last message of the user. */
const resultsOfTask = (ids: Uint32Array): number => {
  let results = 0;
  for (let at = ids.length - USER.length; at >= 0; at -= 1) {
    if (ids[at] !== MESSAGE_START) continue;
    if (isAt(ids, USER, at)) return results;
    if (isAt(ids, TOOL, at)) results += 1;
  }
  return results;
};

const isAt = (ids: Uint32Array, sought: Uint32Array, at: number): boolean =>
  sought.every((id, index) => ids[at + index] === id);

interface Tool {
  readonly name: string;
  readonly parameters: Schema;
}

/** What is read of a JSON schema. */
interface Schema {
  readonly type?: unknown;
  readonly enum?: unknown;
  readonly properties?: unknown;
  readonly items?: unknown;
}

/** The tools that the first message of the template lists, a line of JSON each. */
const toolsOf = (ids: Uint32Array): readonly Tool[] => {
  const end = ids.indexOf(eosTokenId);
  const first = Buffer.from(ids.subarray(0, end === -1 ? 0 : end).filter((id) => id < 256)).toString('utf8');
  const listed = /<tools>\n([^]*?)\n<\/tools>/.exec(first)?.[1] ?? '';
  return listed.split('\n').flatMap((line) => {
    const given = recordOf(parsed(line));
    const tool = recordOf(given['function'] ?? given);
    const name = tool['name'];
    return typeof name === 'string' && name !== '' ? [{ name, parameters: recordOf(tool['parameters']) }] : [];
  });
};

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    // A line that is no JSON lists no tool.
    return undefined;
  }
};

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** A value of the schema's type; with all properties of an object. */
const valueFor = (schema: Schema, state: number): unknown => {
  if (Array.isArray(schema.enum)) return schema.enum[0];
  switch (schema.type) {
    case 'string':
      return [0, 1, 2].map((place) => WORDS[mix(state, place) % WORDS.length]).join(' ');
    case 'integer':
    case 'number':
      return state % 100;
    case 'boolean':
      return true;
    case 'array':
      return [valueFor(recordOf(schema.items), mix(state, 1))];
    case 'null':
      return null;
    default:
      return Object.fromEntries(
        Object.entries(recordOf(schema.properties)).map(([name, property], place) => [
          name,
          valueFor(recordOf(property), mix(state, place)),
        ]),
      );
  }
};
