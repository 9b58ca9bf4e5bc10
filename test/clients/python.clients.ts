import { describe, expect, it } from '@jest/globals';
import { runPython } from './others-programs.fixture.js';
import { served } from './served.fixture.js';

interface Report {
  readonly whole: string;
  readonly streamed: string;
  readonly streamed_completion_tokens: number;
  readonly calls: readonly string[];
  readonly answer: string;
  readonly cached_tokens: number;
  readonly errors: readonly string[];
}

describe.each([
  ['the openai package', 'openai_client.py', ['NotFoundError', 'BadRequestError', 'AuthenticationError']],
  ['litellm', 'litellm_client.py', ['NotFoundError', 'ContextWindowExceededError', 'AuthenticationError']],
])('%s for Python', (_, script, errors) => {
  it('streams, calls tools until it answers, keeps its KV, and raises its own errors', async () => {
    const report = await runPython<Report>(script);
    expect(report.whole.length).toBeGreaterThan(10);
    expect(report.streamed).toBe(report.whole);
    expect(report.streamed_completion_tokens).toBeGreaterThan(0);
    expect(report.calls).toEqual(Array(served.callsPerTask).fill('bash'));
    expect(report.answer).toMatch(/^[a-z ]+$/);
    expect(report.cached_tokens).toBeGreaterThan(0);
    expect(report.errors).toEqual(errors);
  });
});
