import { join } from 'node:path';
import { digestOf, modelStep, pip, torchStep, venvStep } from '../../vllm/lib/install-steps.mjs';
import { layout, repository, toolFile } from '../../vllm/lib/paths.mjs';
import { findPython } from '../../vllm/lib/python.mjs';
import { performSteps } from '../../vllm/lib/set-up.mjs';
import { keyOf } from '../../vllm/lib/steps.mjs';

/** The Python package. */
export const engineFolder = join(repository, 'apps', 'chunk-engine');

/** Packages that vLLM's set-up has too get the versions that it pins, since both share one environment. */
const requirementsStep = (places, { file, name, title, downloadMb, pipOptions = [] }) => {
  const requirements = join(engineFolder, file);
  const shared = toolFile('requirements.txt');
  return {
    name,
    title,
    downloadMb,
    key: keyOf(digestOf(requirements), digestOf(shared)),
    run: () => pip(places, name, 'install', '--no-cache-dir', ...pipOptions, '-r', requirements, '-c', shared),
  };
};

/** What set-up does, in order. Environment, torch and model are those of tools/vllm: who has them has most of it. */
export const chunkSteps = (places, { python }) => [
  venvStep(places, python),
  torchStep(places),
  requirementsStep(places, {
    file: 'requirements.txt',
    name: 'chunks',
    title: 'what the chunk engine needs (gRPC, tokenizers, safetensors, scipy, matplotlib)',
    downloadMb: 110,
    pipOptions: ['--no-deps'],
  }),
  modelStep(places),
  requirementsStep(places, {
    file: 'requirements-dev.txt',
    name: 'chunks-development',
    title: 'what the chunk engine is checked with (ruff, mypy, pytest)',
    downloadMb: 30,
  }),
];

/** Sets up what is missing; returns the places. Rejects with the error of the first step that fails. */
export const setUp = async () => {
  const places = layout();
  await performSteps(chunkSteps(places, { python: findPython() }), places);
  return places;
};
