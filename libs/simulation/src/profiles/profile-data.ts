// Data of the engine profiles. Origin, licence and how the block counts come about: README.md in this folder.

/** Memory of one GPU, nominal, in GiB. */
export const gpuMemoryGib = { a100: 80, l40s: 48, 'rtx-pro-6000': 96, h100: 80, h200: 141, b200: 180 } as const;

/** Nominal bandwidth between host and one GPU, one way, in GB/s: PCIe x16 of the GPU's generation. */
export const hostLinkGbPerSecond = { a100: 32, l40s: 32, 'rtx-pro-6000': 64, h100: 64, h200: 64, b200: 128 } as const;

/** Models in BF16: parameters, and KV bytes of one token over all layers and heads. */
export const models = {
  'llama-3.1-8b': { parameters: 8_030_261_248, kvBytesPerToken: 131_072 },
  'llama-3.1-70b': { parameters: 70_553_706_496, kvBytesPerToken: 327_680 },
  'qwen3-8b': { parameters: 8_190_735_360, kvBytesPerToken: 147_456 },
  'qwen3-32b': { parameters: 32_762_123_264, kvBytesPerToken: 262_144 },
} as const;

/** One calibrated pair of GPU and model. */
export interface ProfileRow {
  readonly gpu: keyof typeof gpuMemoryGib;
  readonly model: keyof typeof models;
  readonly tensorParallel: number;
  /** Mean absolute error of the fit against the measured kernels, in per cent. */
  readonly fitErrorPercent: number;
  /** base, per prefill token, per decode sequence, per context token, per prefill pair; microseconds. */
  readonly micros: readonly [number, number, number, number, number];
  /** Published block count where it differs from the computed one. */
  readonly publishedBlocks?: number;
}

const row = (
  gpu: ProfileRow['gpu'],
  model: ProfileRow['model'],
  rest: Omit<ProfileRow, 'gpu' | 'model' | 'tensorParallel'> & { readonly tensorParallel?: number },
): ProfileRow => ({ gpu, model, tensorParallel: 1, ...rest });

export const profileRows: readonly ProfileRow[] = [
  row('a100', 'llama-3.1-8b', { fitErrorPercent: 4.7, micros: [9038.01, 48.408, 42.9363, 0.0895815, 0.00320917] }),
  row('l40s', 'llama-3.1-8b', { fitErrorPercent: 8.1, micros: [14541.2, 43.7994, 36.3785, 0.196457, 0.00351513] }),
  row('rtx-pro-6000', 'llama-3.1-8b', {
    fitErrorPercent: 3.2,
    micros: [13230.4, 35.1066, 29.0142, 0.0867322, 0.00152717],
  }),
  row('h100', 'llama-3.1-8b', { fitErrorPercent: 5.3, micros: [4863.33, 16.5531, 17.7918, 0.0424697, 0.000830288] }),
  row('h200', 'llama-3.1-8b', { fitErrorPercent: 4.2, micros: [3889.86, 17.1145, 22.6752, 0.0292561, 0.000285842] }),
  row('b200', 'llama-3.1-8b', { fitErrorPercent: 3.2, micros: [3452.89, 8.5479, 10.8383, 0.0176622, 0.000340061] }),
  row('a100', 'llama-3.1-70b', {
    tensorParallel: 4,
    fitErrorPercent: 2.9,
    micros: [28986.2, 142.104, 135.323, 0.0507393, 0.00365153],
  }),
  row('h100', 'llama-3.1-70b', {
    tensorParallel: 4,
    fitErrorPercent: 4.5,
    micros: [13768.5, 54.1141, 49.6592, 0.0266493, 0.0010503],
    publishedBlocks: 128_273,
  }),
  row('h200', 'llama-3.1-70b', {
    tensorParallel: 4,
    fitErrorPercent: 7.2,
    micros: [12050.7, 56.796, 34.6257, 0.0199497, 0.000268778],
  }),
  row('b200', 'llama-3.1-70b', {
    tensorParallel: 4,
    fitErrorPercent: 2.2,
    micros: [11797.3, 28.7205, 27.2196, 0.0113824, 0.000452925],
  }),
  row('h100', 'qwen3-32b', {
    tensorParallel: 2,
    fitErrorPercent: 5.3,
    micros: [11231.2, 43.5117, 41.4146, 0.0420539, 0.00153417],
  }),
  row('h200', 'qwen3-32b', { fitErrorPercent: 6.3, micros: [12631.5, 78.5973, 73.3079, 0.0588336, 0.000499879] }),
  row('b200', 'qwen3-32b', { fitErrorPercent: 6.3, micros: [10039.1, 35.6057, 35.4206, 0.0251886, 0.00165113] }),
  row('h100', 'qwen3-8b', { fitErrorPercent: 5.4, micros: [5119.16, 16.6095, 17.6756, 0.0477681, 0.000927388] }),
  row('b200', 'qwen3-8b', { fitErrorPercent: 2.7, micros: [3683.55, 8.58667, 11.0547, 0.0198809, 0.000362683] }),
];
