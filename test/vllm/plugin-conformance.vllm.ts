import { afterAll } from '@jest/globals';
import { engineClientConformance } from '@holdfast/testing';
import { isOurs, SharedVllm } from './support/engine-harness.js';

const shared = new SharedVllm();
afterAll(() => shared.stop());

engineClientConformance(
  'vLLM with the plug-in',
  { pins: true, softPins: true, reranks: true, restarts: isOurs, tokenizer: true },
  () => shared.harness(),
);
