import { BuiltProcess } from '@holdfast/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { TraceTree, type FoundTrace } from './trace-tree.fixture.js';

const POLL_MS = 100;
const FOUND_WITHIN_MS = 20_000;

/** A Jaeger as a process, and questions to its query API. */
export class RealJaeger {
  readonly #process = new BuiltProcess({
    entry: 'tools/jaeger/serve.mjs',
    args: ['--query-port', '0', '--otlp-port', '0'],
  });
  #query = '';

  /** Resolves with the address of its OTLP/HTTP receiver. */
  async start(): Promise<string> {
    const { query = '', otlp = '' } = await this.#process.ready();
    this.#query = query;
    return otlp;
  }

  /** Modifies state. */
  stop(): Promise<void> {
    return this.#process.stop();
  }

  /** Names of the services that have sent spans. */
  async services(): Promise<readonly string[]> {
    return this.#ask<readonly string[]>('services');
  }

  /**
   * The trace whose span of `service` carries the tags, as soon as it is complete.
   *
   * @throws Error when it is not within 20 s; the message holds what was found.
   */
  async trace(wanted: {
    readonly service: string;
    readonly tags: Readonly<Record<string, string>>;
    readonly isComplete: (trace: TraceTree) => boolean;
  }): Promise<TraceTree> {
    const { service, tags, isComplete } = wanted;
    const question = `traces?${new URLSearchParams({ service, tags: JSON.stringify(tags), limit: '5' })}`;
    const deadline = Date.now() + FOUND_WITHIN_MS;
    for (;;) {
      const [first, ...others] = await this.#ask<readonly FoundTrace[]>(question);
      if (others.length > 0) throw new Error(`${others.length + 1} traces have ${JSON.stringify(tags)}, not one`);
      const trace = first === undefined ? undefined : new TraceTree(first);
      if (trace !== undefined && isComplete(trace)) return trace;
      if (Date.now() > deadline) {
        throw new Error(`no complete trace of ${service} with ${JSON.stringify(tags)}; found:\n${trace?.outline()}`);
      }
      await sleep(POLL_MS);
    }
  }

  async #ask<Answer>(question: string): Promise<Answer> {
    const response = await fetch(`${this.#query}/api/${question}`);
    const { data, errors } = (await response.json()) as { readonly data: Answer; readonly errors?: unknown };
    if (!response.ok) throw new Error(`Jaeger answered ${response.status} to ${question}: ${JSON.stringify(errors)}`);
    return data;
  }
}
