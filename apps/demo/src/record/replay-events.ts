import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  type Command,
  createKernel,
  type Decision,
  type DecisionOutcome,
  type Instant,
  type Kernel,
  parsePolicy,
} from '@holdfast/scheduling';
import { canonicalJson } from './canonical-json.js';
import type { RecordedEvent, RecordHeader } from './recorded-run.js';

/** A decision with what became of it, as the service stores it. */
type ResolvedDecision = Decision & { readonly outcome?: DecisionOutcome; readonly outcomeAt?: Instant };

/** Tells a kernel recorded events and keeps its decisions. */
class DecisionReplay {
  readonly #kernel: Kernel;
  readonly #decisions = new Map<number, ResolvedDecision>();

  constructor({ kernel }: RecordHeader) {
    const { policy, ...limits } = kernel;
    this.#kernel = createKernel({ profile: parsePolicy(policy), ...limits });
  }

  /** Modifies state. */
  take({ now, event }: RecordedEvent): void {
    for (const command of this.#kernel.handle(event, now)) this.#note(command);
  }

  /** Pure. In order. */
  decisions(): readonly ResolvedDecision[] {
    return [...this.#decisions.values()];
  }

  #note(command: Command): void {
    if (command.type === 'recordDecision') {
      this.#decisions.set(command.decision.decisionId, command.decision);
    } else if (command.type === 'resolveDecision') {
      const { decisionId, outcome, at } = command;
      const decision = this.#decisions.get(decisionId);
      if (decision !== undefined) this.#decisions.set(decisionId, { ...decision, outcome, outcomeAt: at });
    }
  }
}

/**
 * The decisions that a fresh kernel makes of a file of events, as canonical JSON lines.
 *
 * @throws Error when the file cannot be read or is not one of events.
 */
export async function* replayFile(file: string): AsyncGenerator<string> {
  let replay: DecisionReplay | undefined;
  let lineNumber = 0;
  for await (const line of createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity })) {
    lineNumber += 1;
    const value = parse(line, `${file}:${lineNumber}`);
    if (replay === undefined) replay = new DecisionReplay(headerOf(value, file));
    else replay.take(value as unknown as RecordedEvent);
  }
  if (replay === undefined) throw new Error(`${file} is empty; its first line must be a header of holdfast.events/v1`);
  for (const decision of replay.decisions()) yield canonicalJson(decision);
}

const parse = (line: string, where: string): Record<string, unknown> => {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`${where}: is not JSON`, { cause });
  }
};

const headerOf = (value: Record<string, unknown>, file: string): RecordHeader => {
  if (value['schema'] === 'holdfast.events/v1') return value as unknown as RecordHeader;
  throw new Error(`${file}:1: schema is ${JSON.stringify(value['schema'])}; allowed: "holdfast.events/v1"`);
};
