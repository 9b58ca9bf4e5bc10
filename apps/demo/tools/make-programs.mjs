// Makes data/programs.jsonl from a packed trace file of Claude Code sessions. Numeric facts only.
//
//   node apps/demo/tools/make-programs.mjs TRACE.packed.jsonl[.gz] [PROGRAMS] > apps/demo/data/programs.jsonl
//
// One program is one autonomous run of a session: from a message of the user, through turns that answer tool results,
// until the user speaks again. How sessions and turns are chosen: data/README.md.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const BLOCK_TOKENS = 64;
const CONTEXT_LIMIT_TOKENS = 128_000;
const FIRST_PROMPT_FROM_TOKENS = 32_000;
const TURNS_FROM = 8;
const TURNS_TO = 24;

/** Leading tokens of a turn's prompt that equal the program's context: the last prompt and its output. */
const sharedTokens = (previous, request) => {
  const wholeBlocks = Math.floor(previous.in / BLOCK_TOKENS);
  const extended = previous.in + previous.out;
  if (request.keep >= wholeBlocks && request.in > extended) return extended;
  // The output was not kept as a whole (thinking is dropped from later prompts), or the prompt itself was edited.
  return Math.min(request.keep * BLOCK_TOKENS, previous.in, request.in - 1);
};

const toTurn = (request, index, run) => ({
  promptTokens: request.in,
  sharedTokens: index === 0 ? 0 : sharedTokens(run[index - 1], request),
  outputTokens: request.out,
  gapSeconds: index === 0 ? 0 : request.think_time,
  tool: 'tool',
});

/** Splits a session into autonomous runs. */
const runsOf = (session) => {
  const runs = [];
  for (const request of session.requests) {
    const answersTool = request.input_types.includes('tool_result');
    if (answersTool && runs.length > 0) runs.at(-1).push(request);
    else runs.push([request]);
  }
  return runs;
};

/** The run up to the turn cap and the context limit; null when it is too short, too small or has unknown gaps. */
const usablePart = (run) => {
  const tooLong = run.findIndex((request) => request.in + request.out > CONTEXT_LIMIT_TOKENS);
  const part = run.slice(0, tooLong < 0 ? TURNS_TO : Math.min(tooLong, TURNS_TO));
  const isUsable =
    part.length >= TURNS_FROM &&
    part[0].in >= FIRST_PROMPT_FROM_TOKENS &&
    part.every(
      (request, index) =>
        request.type !== 'subagent' &&
        request.in > 0 &&
        request.out > 0 &&
        (index === 0 || Number.isFinite(request.think_time)),
    );
  return isUsable ? part : null;
};

const [file, limit = '60'] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: make-programs.mjs TRACE.packed.jsonl[.gz] [PROGRAMS]');
  process.exit(2);
}
const bytes = readFileSync(file);
const text = (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8');
const sessions = text
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line))
  .filter((session) => session.requests.every(({ type }) => type !== 'subagent'));

const programs = [];
for (const session of sessions) {
  const runs = runsOf(session);
  // One run of each session, the first that is usable, so that no session weighs more than another.
  const index = runs.findIndex((run) => usablePart(run) !== null);
  if (index < 0) continue;
  const turns = usablePart(runs[index]).map(toTurn);
  programs.push({ id: `${session.id}.${index}`, turns });
  if (programs.length === Number(limit)) break;
}
process.stdout.write(programs.map((program) => `${JSON.stringify(program)}\n`).join(''));
