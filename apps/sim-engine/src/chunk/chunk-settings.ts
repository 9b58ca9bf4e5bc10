/** What a simulated engine does with chunks. */
export interface ChunkSettings {
  /** Host memory for stored KV. */
  readonly memoryBytes: number;
  /** Files for stored KV; 0 for none. */
  readonly diskBytes: number;
  /** KV of one token, from the profile. */
  readonly kvBytesPerToken: number;
  /** From host memory to the accelerator. */
  readonly loadBytesPerSecond: number;
  /** From files to the accelerator. */
  readonly diskBytesPerSecond: number;
  /** Chunks can be reused behind another prefix; else prefixes only. */
  readonly nonPrefix: boolean;
  /**
   * Modelled divergence of an answer from that of a full recompute, nats a token, when every token of the prompt is reused
   * and none repaired; by how many requests came before, so that a stream can get worse.
   */
  readonly damageNats: (requests: bigint) => number;
}
