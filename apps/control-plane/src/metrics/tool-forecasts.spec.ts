import { instant, micros, seconds } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import type { OpenToolCall, ProgramFacts } from '../programs/live-program.js';
import { ToolForecasts } from './tool-forecasts.js';

const program: ProgramFacts = {
  programId: 'p',
  tenantId: 'default',
  name: '',
  model: 'm',
  programClass: 'swe',
  startedAt: instant(0),
  idleLimit: seconds(60),
};
const call = (): OpenToolCall => ({ tool: 'bash', commandClass: 'npm test', timeout: null, beganAt: instant(0) });

/** Runs one call and says by what factor it missed its forecast. */
const ratioOf = (forecasts: ToolForecasts, durationSeconds: number): number | null => {
  const one = call();
  forecasts.began(program, one);
  return forecasts.ended(program, one, seconds(durationSeconds));
};

describe('forecasts of tool durations', () => {
  it('come near 1 for a tool that always takes the same time, and say by what factor a slow call missed them', () => {
    const forecasts = new ToolForecasts();
    for (let index = 0; index < 50; index += 1) ratioOf(forecasts, 8);
    const usual = ratioOf(forecasts, 8) ?? 0;
    expect(usual).toBeGreaterThan(0.5);
    expect(usual).toBeLessThan(2);
    expect((ratioOf(forecasts, 80) ?? 0) / usual).toBeCloseTo(10, 0);
  });

  it('say nothing of a call whose begin was not seen', () => {
    expect(new ToolForecasts().ended(program, call(), micros(5_000_000))).toBeNull();
  });
});
