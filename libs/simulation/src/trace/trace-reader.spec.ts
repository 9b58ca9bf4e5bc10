import { describe, expect, it } from '@jest/globals';
import { seconds, toSeconds } from '@holdfast/scheduling';
import type { RecordedProgram } from '../lab/workload.js';
import { limitProgram } from './limit-program.js';
import { TraceReader } from './trace-reader.js';

const read = (lines: readonly string[], ragpulseLengths?: ReadonlyMap<number, number>): RecordedProgram[] => {
  const reader = new TraceReader(ragpulseLengths === undefined ? {} : { ragpulseLengths });
  const programs = lines.flatMap((line, index) => reader.take(line, index + 1));
  return [...programs, ...reader.finish()];
};

const readOne = (record: unknown): RecordedProgram => read([JSON.stringify(record)])[0]!;

/** prompt/shared/output/gap in seconds/tool, a turn each. */
const shape = ({ turns }: RecordedProgram): string[] =>
  turns.map((t) => `${t.promptTokens}/${t.sharedTokens}/${t.outputTokens}/${toSeconds(t.gap)}/${t.tool ?? '-'}`);

describe('TraceReader', () => {
  it('reads the own format: a prompt extends the context unless it says how much it shares', () => {
    const program = readOne({
      program: 'p',
      class: 'fix',
      turns: [
        { prompt: 100, output: 10, tool: 'bash', gapSeconds: 1.5 },
        { prompt: 150, output: 5 },
        { prompt: 60, shared: 40, output: 1 },
      ],
    });
    expect(program).toMatchObject({ programId: 'p', programClass: 'fix' });
    expect(shape(program)).toEqual(['100/0/10/1.5/bash', '150/110/5/0/-', '60/40/1/0/-']);
  });

  it('reads weka sessions: kept blocks are shared, sub-agents are programs of their own', () => {
    const request = (rest: object): object => ({ type: 'n', out: 3, input_types: ['text'], ...rest });
    const line = JSON.stringify({
      id: 's',
      block_size: 64,
      requests: [
        request({ in: 640, keep: 0, new: [[1, 10]] }),
        { type: 'subagent', agent_id: 'a', requests: [request({ in: 100, keep: 0, new: [[90, 1]] })] },
        request({ in: 700, keep: 9, new: [[20, 1]], think_time: 4, input_types: ['tool_result'] }),
      ],
    });
    const [session, subAgent] = read([line]);
    expect(shape(session!)).toEqual(['640/0/3/4/tool', '700/576/3/0/-']);
    expect(subAgent).toMatchObject({ programId: 's/a', programClass: 'subagent' });
  });

  it('reads agentcgroup runs: usage where it is true, a new context where a sub-agent begins and ends', () => {
    const call = (rest: object): object => ({ out_usage: 1, out_est: 9, llm_s: 1, trigger: 'tool', ...rest });
    const run = {
      id: 'r',
      group: 'all_images_haiku',
      calls: [
        call({ t: -1, in: 100, trigger: 'user', tools: [{ n: 'Task', d: 10 }] }),
        call({ t: 1, in: 50, trigger: 'user', gap_s: 0.5, tools: [{ n: 'Bash', c: 'pytest', d: 2 }] }),
        call({ t: 4, in: 80, gap_s: 2 }),
        call({ t: 12, in: 140, gap_s: 0 }),
      ],
    };
    expect(shape(readOne(run))).toEqual(['100/0/9/0.5/Task', '50/0/9/2/Bash:pytest', '80/59/9/0/-', '140/0/9/0/-']);
    expect(readOne({ ...run, group: 'all_images_local' }).turns[0]!.outputTokens).toBe(1);
  });

  it('reads lmcache numbers, four characters a token', () => {
    const calls = [
      { t: 0, in_chars: 400, out_chars: 40, common_prefix_chars: 0 },
      { t: 2.5, in_chars: 800, out_chars: 8, common_prefix_chars: 400 },
    ];
    expect(shape(readOne({ id: 'l', set: 'miniswe', calls }))).toEqual(['100/0/10/2.5/tool', '200/100/2/0/-']);
  });

  it('reads lmcache text in order of time: what a prompt repeats of prompt and answer is shared', () => {
    const line = (timestamp: number, input: string, output: string): string =>
      JSON.stringify({ timestamp, input, output, session_id: 'one' });
    const lines = [
      line(3_000_000, 'a'.repeat(80) + 'b'.repeat(40), 'd'.repeat(8)),
      line(0, 'a'.repeat(80), 'b'.repeat(8)),
    ];
    expect(shape(read(lines)[0]!)).toEqual(['20/0/2/3/tool', '30/22/2/0/-']);
  });

  it('reads mooncake: a request that repeats all but the last block of a session continues it', () => {
    const line = (timestamp: number, ids: number[]): string =>
      JSON.stringify({ timestamp, input_length: ids.length * 512 - 100, output_length: 7, hash_ids: ids });
    const programs = read([line(0, [1, 2, 3]), line(500, [9, 8]), line(60_000, [1, 2, 4, 5]), line(61_000, [1, 7])]);
    expect(programs.map(shape)).toEqual([['1436/0/7/60/-', '1948/1024/7/0/-'], ['924/0/7/0/-'], ['924/0/7/0/-']]);
  });

  it('reads Azure requests as programs of one turn', () => {
    const programs = read(['TIMESTAMP,ContextTokens,GeneratedTokens', '2023-11-16 18:17:03.97,4808,10']);
    expect(programs.map(shape)).toEqual([['4808/0/10/0/-']]);
  });

  it('reads RAGPulse sorted by time: leading components of known length are shared', () => {
    const line = (timestamp: string, passages: number[]): string =>
      JSON.stringify({
        timestamp,
        input_length: 300,
        output_length: 5,
        session_id: 's',
        hash_ids: { sys_prompt: [1], passages_ids: passages, history: [], web_search: [], user_input: [7] },
      });
    const lengths = new Map([
      [1, 100],
      [2, 50],
    ]);
    const programs = read([line('90', [2, 4]), line('30', [2, 3])], lengths);
    expect(programs.map(shape)).toEqual([['300/0/5/60/-', '300/150/5/0/-']]);
  });

  it('reads TraceLab rounds', () => {
    const header = 'session_id,arrival_time,round_idx,prefix_len,input_len,output_len,tool_wait_after_ms';
    expect(read([header, '4,117,0,0,2318,200,300', '4,117,1,2518,348,131,0'])[0]).toMatchObject({ programId: '4' });
    expect(shape(read([header, '4,117,0,0,2318,200,300', '4,117,1,2518,348,131,0'])[0]!)).toEqual([
      '2318/0/200/0.3/tool',
      '2866/2518/131/0/tool',
    ]);
  });

  it('tells when programs came, where the trace does', () => {
    const secondsOf = (lines: readonly string[]): (number | undefined)[] =>
      read(lines).map(({ arrivedAt }) => (arrivedAt === undefined ? undefined : arrivedAt / 1e6));
    const turns = [{ prompt: 1, output: 1 }];
    const own = [
      { program: 'a', arrivalSeconds: 2.5, turns },
      { program: 'b', turns },
    ].map((one) => JSON.stringify(one));
    expect(secondsOf(own)).toEqual([2.5, undefined]);
    const azure = ['2023-12-31 23:59:59.5', '2024-01-01 00:00:01', '2024-02-28 00:00:00', '2024-03-01 00:00:00'];
    const [first, ...later] = secondsOf(['TIMESTAMP,ContextTokens,GeneratedTokens', ...azure.map((at) => `${at},1,1`)]);
    const day = 86_400;
    expect(later.map((at) => at! - first!)).toEqual([1.5, 58 * day + 0.5, 60 * day + 0.5]);
    const raw = { timestamp: '7000000', input: 'abcd', output: 'e', session_id: 's' };
    expect(secondsOf([JSON.stringify(raw)])).toEqual([7]);
  });

  const own = (turn: object): string => JSON.stringify({ program: 'p', turns: [turn] });
  it.each([
    ['a negative gap', [own({ prompt: 1, output: 1, gapSeconds: -2 })], 'line 1: field "turns[0].gapSeconds" is -2'],
    ['a huge count', ['', own({ prompt: 1e12, output: 1 })], 'line 2: field "turns[0].prompt" is 1000000000000'],
    ['a missing field', [own({ prompt: 1 })], 'line 1: field "turns[0].output" is missing'],
    ['a fraction of a token', [own({ prompt: 1.5, output: 1 })], 'field "turns[0].prompt" is 1.5'],
    ['more shared than there is', [own({ prompt: 9, shared: 3, output: 1 })], 'field "turns[0].shared" is 3'],
    ['a program twice', [own({ prompt: 1, output: 1 }), own({ prompt: 1, output: 1 })], 'line 2: field "program" "p"'],
    ['no line', [''], 'has no programs'],
    ['an unknown format', ['hello,world'], 'line 1: is of no known format'],
    ['JSON of nobody', ['{"a":1}'], 'line 1: is of no known format'],
    ['a cut line', [own({ prompt: 1, output: 1 }), '{"program":"q","tu'], 'line 2: is not JSON'],
    ['a time that is none', ['TIMESTAMP,ContextTokens,GeneratedTokens', 'noon,1,1'], '"TIMESTAMP" is "noon"'],
    ['an uneven CSV row', ['TIMESTAMP,ContextTokens,GeneratedTokens', 'x,1'], 'line 2: has 2 cells'],
  ])('refuses %s with line and field', (_, lines, message) => {
    expect(() => read(lines)).toThrow(message);
  });
});

describe('limitProgram', () => {
  it('cuts prompts and gaps, and shares no more than what is left', () => {
    const program = readOne({
      program: 'p',
      turns: [
        { prompt: 1_000, output: 10, gapSeconds: 600 },
        { prompt: 2_000, output: 10, gapSeconds: 5 },
        { prompt: 2_500, output: 10, gapSeconds: 5 },
      ],
    });
    const limited = limitProgram(program, { gapCap: seconds(120), maxContextTokens: 1_500 });
    expect(shape(limited)).toEqual(['1000/0/10/120/-', '1500/1010/10/5/-', '1500/1499/10/0/-']);
  });
});
