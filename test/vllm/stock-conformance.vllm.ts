import { afterAll } from '@jest/globals';
import { engineClientConformance } from '@holdfast/testing';
import { isOurs, SharedVllm } from './support/engine-harness.js';

const shared = new SharedVllm({ isStock: true });
afterAll(() => shared.stop());

engineClientConformance(
  'stock vLLM',
  { pins: false, softPins: false, reranks: false, restarts: isOurs, tokenizer: true },
  () => shared.harness(),
);
