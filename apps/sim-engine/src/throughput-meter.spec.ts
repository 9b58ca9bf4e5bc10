import { describe, expect, it } from '@jest/globals';
import { instant, type Instant } from '@holdfast/scheduling';
import { ThroughputMeter } from './throughput-meter.js';

const at = (second: number): Instant => instant(second * 1_000_000);

describe('ThroughputMeter', () => {
  it('is the mean over the last ten seconds', () => {
    const meter = new ThroughputMeter();
    for (let second = 100; second < 110; second += 1) meter.add(50, at(second));
    expect(meter.tokensPerSecond(at(109))).toBe(50);
    expect(meter.tokensPerSecond(at(114))).toBe(25);
  });

  it('forgets what is older, however long nothing happened', () => {
    const meter = new ThroughputMeter();
    meter.add(1_000, at(5));
    expect(meter.tokensPerSecond(at(14))).toBe(100);
    expect(meter.tokensPerSecond(at(15))).toBe(0);
    meter.add(10, at(4_005));
    expect(meter.tokensPerSecond(at(4_005))).toBe(1);
  });

  it('is zero before anything happened', () => {
    expect(new ThroughputMeter().tokensPerSecond(at(0))).toBe(0);
  });
});
