/**
 * Pure. Layers to load before computation starts, so that it never waits for loading: ceil((L - 1)(1 - t_c / t_l) + 1) when
 * a layer loads slower than it computes, else 1. Derivation: the last layer starts at depth * t_l + (L - 1) t_c and must
 * be loaded by L * t_l.
 */
export const preloadDepth = (layer: {
  readonly layers: number;
  readonly loadMicros: number;
  readonly computeMicros: number;
}): number => {
  const { layers, loadMicros, computeMicros } = layer;
  if (loadMicros <= computeMicros) return 1;
  return Math.min(layers, Math.ceil((layers - 1) * (1 - computeMicros / loadMicros) + 1 - 1e-9));
};
