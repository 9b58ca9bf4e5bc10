import { EngineError } from '../engine-error.js';
import type { EngineLink } from './engine-link.js';

/** Which request is to have which rank. */
interface NewRank {
  readonly requestId: string;
  readonly epoch: string;
  readonly rank: number;
}

/** See `EngineClient.rerank`. Before the first `info` nothing is known, and the engine itself answers. */
export const rerank = async (link: EngineLink, { requestId, epoch, rank }: NewRank): Promise<boolean> => {
  const { description, engineId, kvControl, unary } = link;
  if (description?.capabilities.reranks === false) {
    const message = 'Rerank: the engine takes no new rank for a request that it has';
    throw new EngineError({ reason: 'ENGINE_CAPABILITY_MISSING', engineId, message });
  }
  if (!Number.isSafeInteger(rank)) {
    const message = `Rerank: rank is ${rank}; allowed: a whole number within 2^53 - 1 of 0`;
    throw new EngineError({ reason: 'FIELD_INVALID', engineId, message });
  }
  const request = { requestId, epoch, rank: BigInt(rank) };
  const { reranked } = await unary('Rerank', kvControl, kvControl.rerank, request);
  return reranked;
};
