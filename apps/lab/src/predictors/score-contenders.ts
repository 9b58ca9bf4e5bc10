import { toSeconds } from '@holdfast/scheduling';
import type { Contender, Forecast } from './contender.js';
import { scoreForecast, type ForecastScore } from './forecast-score.js';
import type { ToolCall, ToolCallTimeline } from './tool-call-timeline.js';

/** One forecast that was asked for, and how it came out. */
export interface ScoredForecast extends ForecastScore {
  readonly contender: string;
  readonly programId: string;
  readonly tool: string;
  readonly elapsedSeconds: number;
}

export interface Scores {
  readonly forecasts: readonly ScoredForecast[];
  /** Calls at the start that nobody is scored on: somebody had nothing to say yet. */
  readonly warmUpCalls: number;
}

const MICROS = 1e6;

/** Of one instant, first what is known by then, last what is asked. */
const ORDER = { ended: 0, news: 1, programEnded: 2, asked: 3 } as const;

type Moment = { readonly at: number } & (
  | { readonly what: 'ended' | 'news'; readonly call: ToolCall; readonly fromSeconds: number; readonly seconds: number }
  | { readonly what: 'asked'; readonly call: ToolCall; readonly elapsedSeconds: number }
  | { readonly what: 'programEnded'; readonly programId: string }
);

/**
 * Modifies the contenders. Asks each of them about every call, when it begins and when it has run for the given times,
 * with what was known by then; then tells them how it came out. Calls that run are told of after 1, 2, 4, ... seconds.
 */
export const scoreContenders = (
  timeline: ToolCallTimeline,
  contenders: readonly Contender[],
  elapsedSeconds: readonly number[],
): Scores => {
  const forecasts: ScoredForecast[] = [];
  const givesDistributions = new Map<string, boolean>();
  let warmUpCalls = 0;
  let isWarm = false;
  const ask = (call: ToolCall, elapsed: number): void => {
    const answers = contenders.map((contender) => contender.predict(call.key, elapsed));
    isWarm ||= elapsed === 0 && answers.every((answer) => answer !== null);
    if (!isWarm) {
      if (elapsed === 0) warmUpCalls += 1;
      return;
    }
    for (const [index, { name }] of contenders.entries()) {
      const answer: Forecast | null = answers[index]!;
      if (answer !== null) givesDistributions.set(name, answer.distribution !== null);
      const options = { elapsedSeconds: elapsed, givesDistributions: givesDistributions.get(name) === true };
      const { programId, tool } = call.key;
      const score = scoreForecast(answer, toSeconds(call.length), options);
      forecasts.push({ contender: name, programId, tool, elapsedSeconds: elapsed, ...score });
    }
  };
  for (const moment of momentsOf(timeline, elapsedSeconds)) {
    if (moment.what === 'asked') ask(moment.call, moment.elapsedSeconds);
    else if (moment.what === 'programEnded') for (const contender of contenders) contender.forget(moment.programId);
    else {
      const { call, fromSeconds, seconds, what } = moment;
      const news = { fromSeconds, toSeconds: seconds, isOver: what === 'ended' };
      for (const contender of contenders) contender.observe(call.key, news);
    }
  }
  return { forecasts, warmUpCalls };
};

const momentsOf = ({ calls, ends }: ToolCallTimeline, elapsedSeconds: readonly number[]): readonly Moment[] => {
  const moments: Moment[] = ends.map(({ programId, at }) => ({ what: 'programEnded', programId, at }));
  for (const call of calls) {
    const length = toSeconds(call.length);
    for (const elapsed of elapsedSeconds) {
      if (elapsed === 0 || elapsed < length) {
        moments.push({ what: 'asked', call, elapsedSeconds: elapsed, at: call.startedAt + elapsed * MICROS });
      }
    }
    let fromSeconds = 0;
    for (let seconds = 1; seconds < length; seconds *= 2) {
      moments.push({ what: 'news', call, fromSeconds, seconds, at: call.startedAt + seconds * MICROS });
      fromSeconds = seconds;
    }
    moments.push({ what: 'ended', call, fromSeconds, seconds: length, at: call.startedAt + call.length });
  }
  // A stable sort: moments that are alike stay in the order of the calls.
  return moments.sort((a, b) => a.at - b.at || ORDER[a.what] - ORDER[b.what]);
};
