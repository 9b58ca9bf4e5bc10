/** What a simulated engine does with chunks. */
export interface ChunkSettings {
  /** Host memory for stored KV. */
  readonly memoryBytes: number;
  /** KV of one token, from the profile. */
  readonly kvBytesPerToken: number;
  /** From host memory to the accelerator. */
  readonly loadBytesPerSecond: number;
  /** Chunks can be reused behind another prefix; else prefixes only. */
  readonly nonPrefix: boolean;
  /**
   * Modelled divergence of an answer from that of a full recompute, nats a token, when every token of the prompt is reused
   * and none repaired; by how many requests came before, so that a stream can get worse.
   */
  readonly damageNats: (requests: bigint) => number;
}
