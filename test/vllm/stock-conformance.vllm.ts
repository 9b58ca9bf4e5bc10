import { afterAll } from '@jest/globals';
import { engineClientConformance } from '@holdfast/testing';
import { SharedVllm } from './support/engine-harness.js';

const shared = new SharedVllm({ isStock: true });
afterAll(() => shared.stop());

engineClientConformance('stock vLLM', { pins: false, softPins: false, restarts: true, tokenizer: true }, () =>
  shared.harness(),
);
