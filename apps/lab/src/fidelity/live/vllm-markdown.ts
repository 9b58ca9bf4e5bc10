import { latencyRows, LATENCY_COLUMNS } from '../engine-part.js';
import { markdownTable } from '../markdown.js';
import { VLLM_POLICY, VLLM_SHAPE, type VllmResult } from './vllm-part.js';

/** Pure. The part of the document. */
export const vllmMarkdown = (result: VllmResult): string => {
  const { turns, fittedTurns, stepTime, errors, comparison } = result;
  const { programs, meanSecondsBetweenArrivals } = VLLM_SHAPE;
  const millis = (micros: number): string => (micros / 1e3).toPrecision(3);
  return [
    `## One workload on a real vLLM

${programs} drawn programs, one every ${meanSecondsBetweenArrivals} s, on vLLM with the plug-in (SmolLM2-135M on a CPU, \`npm run setup:vllm\`) behind a real
service with the policy \`${VLLM_POLICY}\`, in real time. The simulator gets what the service recorded. Its step times are fitted on
the first ${fittedTurns} turns and it is judged on the other ${turns - fittedTurns}. TTFT and end to end are from the submission of a turn to the
service, so waiting is in them.`,
    markdownTable(
      ['run', ...LATENCY_COLUMNS],
      latencyRows(errors).map((row) => ['SmolLM2-135M', ...row]),
    ),
    `Fitted, in milliseconds: ${millis(stepTime.baseMicros)} a step, ${millis(stepTime.perPrefillTokenMicros)} a prompt token, ` +
      `${millis(stepTime.perDecodeSequenceMicros)} a decoding sequence. Of ${comparison.decisions} decisions, ` +
      `${comparison.equalDecisions} are equal; of ${comparison.programs} programs, ${comparison.equalPrograms} have all equal. ` +
      `Pins were hit ${comparison.outcomes['hit'] ?? 0} times.`,
  ].join('\n\n');
};
