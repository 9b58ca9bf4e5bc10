/** What is installed, and about how much is downloaded for it, in megabytes (x86_64). */
export const versions = {
  torch: '2.13.0',
  cudaRuntime: '13.0.96',
  cupti: '13.0.85',
  vllm: '0.32.0',
  servicer: '0.14.1',
  servicerProto: '0.4.28',
  model: '0.1.2',
  gateway: '1.13.0',
};

/** The oldest and the first too new minor version of Python 3 that vLLM runs on. */
export const pythonMinors = { from: 11, below: 15 };

/** SmolLM2-135M-Instruct; the name that the engine serves it under. */
export const MODEL_NAME = 'smollm2';
