import { instant, type Command, type Kernel, type KernelEvent } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { SchedulerLoop, type LoopStep } from './scheduler-loop.js';

const timer = (key: string): KernelEvent => ({ type: 'timerFired', key });
const cancel = (key: string): Command => ({ type: 'cancelTimer', key });

/** A kernel whose commands are scripted by the key of the event. */
const scripted = (commands: Readonly<Record<string, readonly string[]>>): Kernel =>
  ({
    handle: (event: KernelEvent) => (event.type === 'timerFired' ? (commands[event.key] ?? []).map(cancel) : []),
  }) as unknown as Kernel;

const makeLoop = (
  kernel: Kernel,
  options: { readonly mailboxLimit?: number; readonly onCommand?: (key: string, loop: SchedulerLoop) => void } = {},
): { loop: SchedulerLoop; log: string[]; steps: LoopStep[]; failures: unknown[] } => {
  const log: string[] = [];
  const steps: LoopStep[] = [];
  const failures: unknown[] = [];
  let clock = 0;
  const loop: SchedulerLoop = new SchedulerLoop({
    kernel,
    now: () => instant((clock += 1)),
    record: (step) => {
      steps.push(step);
      log.push(`record ${step.event.type === 'timerFired' ? step.event.key : ''}`);
    },
    execute: (command) => {
      if (command.type !== 'cancelTimer') return;
      log.push(`do ${command.key}`);
      options.onCommand?.(command.key, loop);
    },
    onStep: () => undefined,
    mailboxLimit: options.mailboxLimit ?? 100,
    onFailure: (error) => failures.push(error),
  });
  return { loop, log, steps, failures };
};

describe('SchedulerLoop', () => {
  it('has recorded and carried out an event when posting returns', () => {
    const { loop, log } = makeLoop(scripted({ a: ['1', '2'] }));
    loop.post(timer('a'));
    expect(log).toEqual(['record a', 'do 1', 'do 2']);
  });

  it('finishes a step before the events that its commands post', () => {
    const { loop, log } = makeLoop(scripted({ a: ['1', '2'], b: ['3'] }), {
      onCommand: (key, own) => key === '1' && own.post(timer('b')),
    });
    loop.post(timer('a'));
    expect(log).toEqual(['record a', 'do 1', 'do 2', 'record b', 'do 3']);
  });

  it('reads the time once an event', () => {
    const { loop, steps } = makeLoop(scripted({ a: ['1'], b: [] }));
    loop.post(timer('a'));
    loop.post(timer('b'));
    expect(steps.map(({ now }) => now)).toEqual([1, 2]);
  });

  it('stops for good when the kernel breaks an invariant, and says so', () => {
    const broken = {
      handle: () => {
        throw new Error('broken');
      },
    } as unknown as Kernel;
    const { loop, failures, log } = makeLoop(broken);
    loop.post(timer('a'));
    loop.post(timer('b'));
    expect(failures).toHaveLength(1);
    expect(loop.isAlive).toBe(false);
    expect(log).toEqual([]);
  });

  it('fails instead of growing when events beget events without end', () => {
    const { loop, failures } = makeLoop(scripted({ a: ['1'] }), {
      mailboxLimit: 10,
      onCommand: (_key, own) => own.post(timer('a')),
    });
    loop.post(timer('a'));
    expect(failures).toHaveLength(1);
    expect(loop.handledEvents).toBeLessThanOrEqual(10);
  });
});
