import { afterAll } from '@jest/globals';
import { engineClientConformance } from '@holdfast/testing';
import { SharedVllm } from './support/engine-harness.js';

const shared = new SharedVllm();
afterAll(() => shared.stop());

engineClientConformance('vLLM with the plug-in', { pins: true, softPins: true, restarts: true, tokenizer: true }, () =>
  shared.harness(),
);
