import { markdownTable, perCent } from '../markdown.js';
import { LIVE_ENGINES, LIVE_PROFILE, LIVE_SHAPE, type LivePartOptions, type LiveResult } from './live-part.js';

/** Pure. The part of the document. */
export const liveMarkdown = (
  results: readonly LiveResult[],
  { timeScale }: Pick<LivePartOptions, 'timeScale'>,
): string => {
  const { programs, meanSecondsBetweenArrivals } = LIVE_SHAPE;
  const introduction = `## One workload, live and simulated

${programs} drawn programs, one every ${meanSecondsBetweenArrivals} s, run on ${LIVE_ENGINES} simulated engines (${LIVE_PROFILE} with the KV blocks of the first
column: more than most pins need, and so few that many are revoked) behind a real service: SDK, gRPC, control plane,
PostgreSQL, engine processes, with a clock that goes at ${timeScale} of real time. Then the simulator gets what the service recorded:
arrivals, gaps, tools and token counts. Both run the kernel; the rest differs, and the times of the service have what a real
machine adds in them.

Compared is every decision of the service: which turn went to which engine, whether to hold its context, and what became of
that (hit, expired, revoked, released). A decision counts as equal if the simulator took it at the same place of the same
program. Two that were made within a few milliseconds of each other may change places, as one instant of the simulator is
several moments in life: pairs of dispatches to an engine in another order are counted, with how far apart the two were.`;
  return [introduction, decisionTable(results), 'How far apart in time:', timeTable(results), verdict(results)].join(
    '\n\n',
  );
};

const decisionTable = (results: readonly LiveResult[]): string =>
  markdownTable(
    [
      'blocks, policy',
      'turns',
      'pins hit',
      'expired',
      'revoked',
      'decisions equal',
      'programs all equal',
      'other order',
      'at most ms apart',
    ],
    results.map(({ policy, blocks, turns, comparison }) => [
      nameOf({ policy, blocks }),
      String(turns),
      ...['hit', 'expired', 'revoked'].map((outcome) => String(comparison.outcomes[outcome] ?? 0)),
      `${comparison.equalDecisions} of ${comparison.decisions}`,
      `${comparison.equalPrograms} of ${comparison.programs}`,
      String(comparison.invertedPairs),
      comparison.widestInversionMs.toFixed(0),
    ]),
  );

const timeTable = (results: readonly LiveResult[]): string =>
  markdownTable(
    [
      'blocks, policy',
      'decisions, P50 ms',
      'P95',
      'largest',
      'TTFT, median error',
      '90 % within',
      'end to end',
      '90 % within',
    ],
    results.map(({ policy, blocks, comparison: { apartMs }, errors: { ttft, endToEnd } }) => [
      nameOf({ policy, blocks }),
      ...[apartMs.p50, apartMs.p95, apartMs.max].map((ms) => ms.toFixed(1)),
      ...[ttft, endToEnd].flatMap(({ medianPerRequest, p90PerRequest }) => [
        perCent(medianPerRequest),
        perCent(p90PerRequest),
      ]),
    ]),
  );

const nameOf = ({ policy, blocks }: Pick<LiveResult, 'policy' | 'blocks'>): string => `${blocks}, \`${policy}\``;

const DIFFERENCES = `What was traced by hand, in three other runs of \`holdfast\` with 900 blocks (2026-11-28): the first decision that differs is each
time about a context whose tool begins while another program waits some 10 ms for memory. It is let go at once; in life its
turn ended some milliseconds later, when nobody waited any more. One decision more or less puts those behind it at other places,
which counts them as different, and may divide the memory otherwise from then on.`;

const verdict = (results: readonly LiveResult[]): string => {
  const others = results.filter(({ comparison }) => comparison.equalDecisions < comparison.decisions);
  return others.length === 0
    ? 'Every decision is equal.'
    : `Not every decision is equal with ${others.map(nameOf).join('; ')}.\n\n${DIFFERENCES}`;
};
