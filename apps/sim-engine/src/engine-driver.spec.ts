import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@holdfast/platform';
import { type Instant, instant, micros, millis, seconds } from '@holdfast/scheduling';
import { EngineModel, type FinishedRequest, type ModelEvent, type ModelRequest } from '@holdfast/simulation';
import { EngineDriver } from './engine-driver.js';

/** Steps of 10 ms, whatever they compute. */
const stepTime = {
  baseMicros: 10_000,
  perPrefillTokenMicros: 0,
  perDecodeSequenceMicros: 0,
  perContextTokenMicros: 0,
  perPrefillPairMicros: 0,
};

interface Told {
  readonly deliveries: number[][];
  readonly finished: { readonly request: FinishedRequest; readonly at: Instant }[];
}

interface SubmitOptions {
  readonly outputTokens?: number;
  readonly fields?: Partial<ModelRequest>;
  readonly onTokens?: () => void;
}

const setUp = <SomeClock extends ManualClock>(clock: SomeClock) => {
  const events: ModelEvent[] = [];
  const driver = new EngineDriver({
    clock,
    onEvents: (some) => events.push(...some),
    createModel: () =>
      new EngineModel({
        totalBlocks: 100,
        blockTokens: 16,
        maxRunningRequests: 8,
        tokenBudget: 2_048,
        maxPinnedFraction: 0.95,
        stepTime,
        epoch: 'epoch-1',
      }),
  });
  const submit = (requestId: string, { outputTokens = 5, fields, onTokens }: SubmitOptions = {}): Told => {
    const told: Told = { deliveries: [], finished: [] };
    driver.submit(
      {
        requestId,
        promptIds: Uint32Array.from({ length: 32 }, (_, index) => index),
        outputTokens,
        outputIdAt: (index) => 100 + index,
        rank: 0,
        bid: 0,
        ...fields,
      },
      {
        onTokens: (tokenIds) => {
          told.deliveries.push([...tokenIds]);
          onTokens?.();
        },
        onFinished: (request, at) => told.finished.push({ request, at }),
      },
    );
    return told;
  };
  return { clock, driver, events, submit };
};

/** A clock whose timers never fire by themselves: the driver is as late as the test wants. */
class LateClock extends ManualClock {
  private offset = 0;

  override now(): Instant {
    return instant(super.now() + this.offset);
  }

  jump(length: number): void {
    this.offset += length;
  }
}

describe('EngineDriver', () => {
  it('completes each step when its model time has come', () => {
    const { clock, submit } = setUp(new ManualClock());
    const told = submit('a');
    clock.advance(micros(9_999));
    expect(told.deliveries).toEqual([]);
    clock.advance(micros(1));
    expect(told.deliveries).toEqual([[100]]);
    clock.advance(millis(30));
    expect(told.deliveries).toEqual([[100], [101], [102], [103]]);
    clock.advance(millis(10));
    expect(told.finished).toMatchObject([{ at: 50_000, request: { outputTokens: 5, promptTokens: 32 } }]);
  });

  it('has no timer when it is idle', () => {
    const { clock, submit } = setUp(new ManualClock());
    submit('a');
    expect(clock.pendingTimers).toBe(1);
    clock.advance(seconds(1));
    expect(clock.pendingTimers).toBe(0);
  });

  it('has one timer while a pin lives, and ends the pin when it is due', () => {
    const { clock, submit, events } = setUp(new ManualClock());
    submit('a', { fields: { programId: 'p', pin: { ttl: seconds(5), soft: false, value: null } } });
    clock.advance(seconds(1));
    expect(clock.pendingTimers).toBe(1);
    clock.advance(micros(4_049_999));
    expect(events.filter((event) => event.type === 'pin').map(({ change }) => change)).toEqual(['set']);
    clock.advance(micros(1));
    expect(events.filter((event) => event.type === 'pin').map(({ change }) => change)).toEqual(['set', 'expired']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('catches up in model time when it is late, without drift, and hands a turn over at once', () => {
    const { clock, driver, submit } = setUp(new LateClock());
    const told = submit('a', { outputTokens: 20 });
    clock.jump(205_000);
    driver.stats();
    expect(told.deliveries).toEqual([Array.from({ length: 20 }, (_, index) => 100 + index)]);
    expect(told.finished).toMatchObject([{ at: 200_000 }]);
  });

  it('yields to others between bounded turns when it is far behind', async () => {
    const { clock, driver, submit } = setUp(new LateClock());
    const told = submit('a', { outputTokens: 1_000 });
    clock.jump(60_000_000);
    driver.stats();
    expect(told.finished).toEqual([]);
    expect(told.deliveries[0]).toHaveLength(64);
    while (told.finished.length === 0) await nextTurn();
    expect(told.deliveries.length).toBeGreaterThan(10);
    expect(told.deliveries.flat()).toHaveLength(1_000);
    expect(told.finished).toMatchObject([{ at: 10_000_000 }]);
    driver.close();
  });

  it('starts a request that comes during a step with the next one', () => {
    const { clock, submit } = setUp(new ManualClock());
    submit('a');
    clock.advance(millis(4));
    const late = submit('b');
    clock.advance(millis(6));
    expect(late.deliveries).toEqual([]);
    clock.advance(millis(10));
    expect(late.deliveries).toEqual([[100]]);
  });

  it('tells an aborted request nothing more', () => {
    const { clock, driver, submit } = setUp(new ManualClock());
    const told = submit('a');
    clock.advance(millis(20));
    expect(driver.abort('a')).toBe(true);
    expect(driver.abort('a')).toBe(false);
    clock.advance(seconds(1));
    expect(told).toEqual({ deliveries: [[100], [101]], finished: [] });
    expect(driver.stats()).toMatchObject({ runningRequests: 0, activeBlocks: 0 });
  });

  it('lets an observer ask back without a later token overtaking an earlier one', () => {
    const { clock, driver, submit } = setUp(new ManualClock());
    const order: string[] = [];
    const told = submit('a', {
      outputTokens: 3,
      onTokens: () => order.push(`running ${driver.stats().runningRequests}`),
    });
    clock.advance(seconds(1));
    expect(order).toEqual(['running 1', 'running 1', 'running 0']);
    expect(told.deliveries).toEqual([[100], [101], [102]]);
  });

  it('keeps its counters over a flush of the cache, and refuses one while it works', () => {
    const { clock, driver, submit } = setUp(new ManualClock());
    submit('a');
    expect(driver.flush()).toBe(false);
    clock.advance(seconds(1));
    expect(driver.flush()).toBe(true);
    expect(driver.stats()).toMatchObject({ freeBlocks: 100, promptTokens: 32, outputTokens: 5 });
  });

  it('does nothing after it is closed', () => {
    const { clock, driver, submit } = setUp(new ManualClock());
    const told = submit('a');
    driver.close();
    clock.advance(seconds(1));
    expect(told.deliveries).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});
