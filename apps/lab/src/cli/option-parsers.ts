import { parsePolicy, PolicySpecError, policyNames, seconds, type Duration } from '@holdfast/scheduling';
import {
  boundNames,
  DisturbanceError,
  DISTURBANCES,
  engineProfileNames,
  parseDisturbance,
  policySetup,
} from '@holdfast/simulation';
import { InvalidArgumentError } from 'commander';
import type { ArrivalChoice } from '../cells/job.js';

/** A comma-separated list of things, each read by `one`, none twice. */
export const listOf =
  <T>(one: (text: string) => T) =>
  (text: string): readonly T[] => {
    const values = text.split(',').map((part) => one(part.trim()));
    if (new Set(values).size === values.length) return values;
    throw new InvalidArgumentError(`It is "${text}"; allowed is each value once.`);
  };

/** A number within a range. */
export const numberFrom =
  (range: { readonly from: number; readonly to: number; readonly isWhole?: boolean }) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const { from, to, isWhole = false } = range;
    if (value >= from && value <= to && (!isWhole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(
      `It is "${text}"; allowed is a ${isWhole ? 'whole ' : ''}number from ${from} to ${to}.`,
    );
  };

/** One of some words. */
export const oneOf =
  <T extends string>(words: readonly T[]) =>
  (text: string): T => {
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    throw new InvalidArgumentError(`It is "${text}"; allowed are ${words.join(', ')}.`);
  };

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600 };

/** A duration such as 250ms, 120s, 5m or 1h. */
export const duration = (text: string): Duration => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  if (match === null)
    throw new InvalidArgumentError(`It is "${text}"; allowed is a duration such as 250ms, 120s, 5m or 1h.`);
  return seconds(Number(match[1]) * SECONDS_PER_UNIT[match[2]!]!);
};

/** When programs come, as an option says it. */
export type ArrivalTimes = Pick<ArrivalChoice, 'arrivals' | 'batch'>;

const LARGEST_BATCH = 10_000;

/** `poisson`, `trace`, or `burst:N`: N at once, at random. */
export const arrivalTimes = (text: string): ArrivalTimes => {
  if (text === 'poisson' || text === 'trace') return { arrivals: text };
  const [kind, number] = text.split(':');
  const batch = Number(number);
  if (kind === 'burst' && Number.isInteger(batch) && batch >= 1 && batch <= LARGEST_BATCH) {
    return { arrivals: 'poisson', batch };
  }
  throw new InvalidArgumentError(
    `It is "${text}"; allowed are poisson, trace, and burst:N with N from 1 to ${LARGEST_BATCH}.`,
  );
};

/** Something that goes wrong. */
export const disturbance = (text: string): string => {
  try {
    parseDisturbance(text);
    return text;
  } catch (error) {
    if (!(error instanceof DisturbanceError)) throw error;
    throw new InvalidArgumentError(`${error.message}.`);
  }
};

/** A policy of the registry with its parameters, or a bound. */
export const policy = (text: string): string => {
  try {
    policySetup(text);
    return text;
  } catch (error) {
    if (!(error instanceof PolicySpecError)) throw error;
    const bounds = boundNames().map(({ name }) => name);
    throw new InvalidArgumentError(`${error.message}; bounds are ${bounds.join(', ')}.`);
  }
};

/** The name of an engine profile. */
export const engine = (text: string): string => {
  if (engineProfileNames.includes(text)) return text;
  throw new InvalidArgumentError(`It is "${text}"; allowed are ${engineProfileNames.join(', ')}.`);
};

/** Pure. For help: every policy and bound, a line each. */
export const policyHelp = (): string => {
  const lines = [...policyNames(), ...boundNames()].map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`);
  const wrongs = DISTURBANCES.map((line) => `  ${line}`);
  return (
    `\nPolicies (parameters follow a colon: ${exampleSpec()}):\n${lines.join('\n')}\n` +
    `\nWhat --disturb may be:\n${wrongs.join('\n')}`
  );
};

const exampleSpec = (): string => parsePolicy('static-ttl:ttl=120s').name;
