import type { Chain } from './extent-list.js';
import type { SimulatedTurn } from './simulated-engine.js';

/** A turn inside the extent engine. Plain state. */
export interface ExtentRequest {
  readonly turn: SimulatedTurn;
  readonly chain: Chain;
  /** Counts arrivals: the last key of the waiting order. */
  readonly arrival: number;
  rank: number;
  /** Counts admissions: place in the running order. */
  admission: number;
  /** Prompt and produced tokens. Current only while it does not decode; see `computedAt`. */
  tokens: number;
  /** Tokens in KV. Current only while it does not decode. */
  computed: number;
  /** Blocks it holds. Current only while it does not decode. */
  blocks: number;
  /** Tokens that the step under way prefills. */
  scheduled: number;
  isPreempted: boolean;
  isDecoding: boolean;
  /** Step number before its first decode step, and tokens in KV then. */
  decodeFrom: number;
  computedAtDecode: number;
  phase: number;
  /** Step number after its last decode step. */
  finishStep: number;
  /** Place in the heap of finishers. */
  heapIndex: number;
  cachedTokens: number | null;
}

/** Pure. */
export const extentRequest = (turn: SimulatedTurn, chain: Chain, arrival: number): ExtentRequest => ({
  turn,
  chain,
  arrival,
  rank: turn.rank,
  admission: 0,
  tokens: turn.promptTokens,
  computed: 0,
  blocks: 0,
  scheduled: 0,
  isPreempted: false,
  isDecoding: false,
  decodeFrom: 0,
  computedAtDecode: 0,
  phase: 0,
  finishStep: 0,
  heapIndex: -1,
  cachedTokens: null,
});

/** Pure. Total order of waiting requests: preempted ones, then rank, then arrival. */
export const compareWaiting = (a: ExtentRequest, b: ExtentRequest): number => {
  if (a.isPreempted !== b.isPreempted) return a.isPreempted ? -1 : 1;
  return a.rank - b.rank || a.arrival - b.arrival;
};

/** Pure. Order in which decoding requests finish: by step, then by their place in the running list. */
export const compareFinish = (a: ExtentRequest, b: ExtentRequest): number =>
  a.finishStep - b.finishStep || a.admission - b.admission;
