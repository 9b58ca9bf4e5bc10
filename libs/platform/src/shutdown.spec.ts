import { EventEmitter } from 'node:events';
import { millis, seconds } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { type ProcessSignals, onShutdownSignal, runShutdown } from './shutdown.js';

interface Line {
  readonly level: string;
  readonly fields: { readonly step?: string };
}

const recorder = (lines: Line[]) => {
  const at = (level: string) => (fields: object) => void lines.push({ level, fields });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
};

describe('runShutdown', () => {
  it('runs steps in order, one after the other, although some fail or hang', async () => {
    const order: string[] = [];
    const lines: Line[] = [];
    const step = (name: string, run: () => Promise<unknown> | unknown, deadlineMillis = 5_000) => ({
      name,
      deadline: millis(deadlineMillis),
      run: async () => {
        order.push(name);
        return run();
      },
    });
    const outcomes = await runShutdown(
      [
        step('stop intake', () =>
          new Promise((resolve) => setTimeout(resolve, 20)).then(() => order.push('intake stopped')),
        ),
        step('drain', () => Promise.reject(new Error('cannot'))),
        step('write', () => new Promise(() => undefined), 10),
        step('close', () => undefined),
      ],
      recorder(lines),
    );
    expect(order).toEqual(['stop intake', 'intake stopped', 'drain', 'write', 'close']);
    expect(outcomes.map(({ step: name, result }) => [name, result])).toEqual([
      ['stop intake', 'done'],
      ['drain', 'failed'],
      ['write', 'overdue'],
      ['close', 'done'],
    ]);
    expect(lines.filter((line) => line.level === 'warn').map((line) => line.fields.step)).toEqual(['drain', 'write']);
  });

  it('takes a step that throws at once as failed', async () => {
    const run = (): never => {
      throw new Error('at once');
    };
    expect(await runShutdown([{ name: 'a', deadline: seconds(1), run }], recorder([]))).toEqual([
      { step: 'a', result: 'failed' },
    ]);
  });
});

describe('onShutdownSignal', () => {
  class Host extends EventEmitter implements ProcessSignals {
    readonly exits: number[] = [];
    exit(code: number): void {
      this.exits.push(code);
    }
  }

  it('reports the first signal and exits at once on the second', async () => {
    const host = new Host();
    const { received } = onShutdownSignal(host);
    host.emit('SIGTERM', 'SIGTERM');
    expect(await received).toBe('SIGTERM');
    expect(host.exits).toEqual([]);
    host.emit('SIGINT', 'SIGINT');
    expect(host.exits).toEqual([130]);
  });

  it('leaves no listener behind', () => {
    const host = new Host();
    onShutdownSignal(host).stopListening();
    expect(host.listenerCount('SIGTERM') + host.listenerCount('SIGINT')).toBe(0);
  });
});
