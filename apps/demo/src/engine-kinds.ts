import { engineProfile, type EngineProfile } from '@holdfast/simulation';

/** What the engines are. */
export type EngineKind = 'sim' | 'vllm';

/** An engine that programs are replayed on, and how they are scaled to it. */
export interface DemoEngine {
  readonly kind: EngineKind;
  readonly profile: Pick<EngineProfile, 'name' | 'totalBlocks' | 'blockTokens' | 'kvBytesPerToken' | 'prefillCost'>;
  readonly engines: number;
  /** Recorded tokens of a prompt for one of the replay. */
  readonly promptScale: number;
  /** Recorded tokens of an output for one of the replay. */
  readonly outputScale: number;
  /** Recorded seconds of a gap for one of the replay. */
  readonly gapScale: number;
  /** Longer gaps are cut to this, seconds after scaling. */
  readonly gapCapSeconds: number;
  /**
   * Programs per second that the engines complete with all programs there at once and pins that last (`--policies
   * static-ttl:ttl=1h --arrivals-per-hour 1000000`, seeds 1 to 3): load 1.
   */
  readonly backlogProgramsPerSecond: number;
  /** A burst that wants about three times the memory. */
  readonly defaults: { readonly programs: number; readonly timeScale: number; readonly arrivalsPerHour: number };
}

/** Pure. The engines of a kind. */
export const demoEngine = (kind: EngineKind): DemoEngine => (kind === 'sim' ? simulated() : SMALL_VLLM);

const simulated = (): DemoEngine => ({
  kind: 'sim',
  profile: engineProfile('h100-llama-3.1-8b'),
  engines: 2,
  promptScale: 1,
  outputScale: 1,
  gapScale: 1,
  gapCapSeconds: 60,
  backlogProgramsPerSecond: 0.03,
  defaults: { programs: 48, timeScale: 50, arrivalsPerHour: 300 },
});

/** SmolLM2-135M in bfloat16 on two cores, with the pool of tools/vllm/serve.mjs: a hundredth of the memory. */
const SMALL_VLLM: DemoEngine = {
  kind: 'vllm',
  profile: {
    name: 'cpu-smollm2-135m',
    totalBlocks: 255,
    blockTokens: 32,
    kvBytesPerToken: 23_040,
    prefillCost: { baseSeconds: 0.04, perTokenSeconds: 0.000_5, perTokenSquaredSeconds: 0 },
  },
  engines: 1,
  promptScale: 60,
  outputScale: 20,
  gapScale: 20,
  gapCapSeconds: 3,
  backlogProgramsPerSecond: 0.2,
  defaults: { programs: 14, timeScale: 1, arrivalsPerHour: 1_800 },
};
