import { describe, expect, it } from '@jest/globals';
import { instant } from '@holdfast/scheduling';
import type { ModelPinEvent } from '@holdfast/simulation';
import { PinLedger, type PinSpan } from './pin-ledger.js';
import { TimeBins } from './time-bins.js';

const event = (change: ModelPinEvent['change'], programId: string, tokens = 100): ModelPinEvent => ({
  type: 'pin',
  change,
  pin: { programId, blocks: 1, tokens, expiresAt: instant(0), soft: false, value: null },
});

describe('PinLedger', () => {
  it('tells used from wasted token-seconds, and renewals end nothing', () => {
    const ledger = new PinLedger();
    ledger.take('e1', event('set', 'a'), instant(0));
    ledger.take('e1', event('set', 'b'), instant(0));
    ledger.take('e1', event('renewed', 'a'), instant(1e6));
    ledger.take('e1', event('set', 'a'), instant(1e6));
    ledger.take('e1', event('hit', 'a'), instant(3e6));
    ledger.take('e1', event('expired', 'b'), instant(2e6));
    expect(ledger).toMatchObject({ usedTokenSeconds: 300, wastedTokenSeconds: 200, set: 2 });
    expect(ledger.counts).toEqual({ hit: 1, expired: 1, revoked: 0, released: 0, open: 0 });
  });

  it('keeps engines apart, and closes what is open as wasted', () => {
    const spans: PinSpan[] = [];
    const ledger = new PinLedger((span) => spans.push(span));
    ledger.take('e1', event('set', 'a'), instant(0));
    ledger.take('e2', event('revoked', 'a'), instant(1e6));
    ledger.close(instant(2e6));
    expect(spans).toEqual([{ programId: 'a', engineId: 'e1', tokens: 100, setAt: 0, endedAt: 2e6, outcome: 'open' }]);
    expect(ledger.wastedTokenSeconds).toBe(200);
  });
});

describe('TimeBins', () => {
  it('weights values with how long they last in a bin', () => {
    const bins = new TimeBins(3, 10);
    bins.add(5, 20, 4);
    bins.add(0, 10, 1);
    bins.add(25, 99, 10);
    expect(bins.means()).toEqual([3, 4, 5]);
  });
});
