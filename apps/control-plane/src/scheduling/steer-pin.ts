/** Pins as an operator steers them. The policy goes on deciding: what it wants next may differ. */
import { DomainError } from '@holdfast/platform';
import { instant, type Duration, type PinChanged, type ProgramId, type ProgramView } from '@holdfast/scheduling';
import type { Pool } from './pool.js';

type PoolPart = Pick<Pool, 'program' | 'engines' | 'post' | 'now'>;
type HeldPin = NonNullable<ProgramView['pin']>;

/**
 * Modifies state. Gives the program's pin another time to live, from now on, at the value it has.
 *
 * @throws DomainError PIN_NOT_FOUND; ENGINE_UNREACHABLE, ENGINE_DEADLINE, EPOCH_STALE of the engine.
 */
export const renewPin = async (pool: PoolPart, programId: ProgramId, ttl: Duration): Promise<void> => {
  const { held, client } = requirePin(pool, programId);
  const pin = await client.renew(programId, held.epoch, { ...held.terms, ttl });
  const expiresAt = instant(pool.now() + pin.expiresInMs * 1_000);
  pool.post({ ...changeOf(held, programId), change: 'renewed', pinnedTokens: pin.pinnedTokens, expiresAt });
};

/**
 * Modifies state. Gives the program's pin up.
 *
 * @throws DomainError PIN_NOT_FOUND; ENGINE_UNREACHABLE, ENGINE_DEADLINE, EPOCH_STALE of the engine.
 */
export const releasePin = async (pool: PoolPart, programId: ProgramId): Promise<void> => {
  const { held, client } = requirePin(pool, programId);
  const wasHeld = await client.release(programId, held.epoch);
  // The engine tells by itself what became of a pin that was gone already.
  if (!wasHeld) throw pinNotFound(programId);
  pool.post({ ...changeOf(held, programId), change: 'released', pinnedTokens: 0, expiresAt: pool.now() });
};

const requirePin = (
  pool: PoolPart,
  programId: ProgramId,
): { readonly held: HeldPin; readonly client: NonNullable<ReturnType<Pool['engines']['client']>> } => {
  const held = pool.program(programId)?.pin ?? null;
  if (held === null || held.pinnedTokens === 0) throw pinNotFound(programId);
  const client = pool.engines.client(held.engineId, held.epoch);
  if (client === undefined) throw pinNotFound(programId);
  return { held, client };
};

const changeOf = (
  { engineId, epoch }: HeldPin,
  programId: ProgramId,
): Pick<PinChanged, 'type' | 'engineId' | 'epoch' | 'programId'> => ({
  type: 'pinChanged',
  engineId,
  epoch,
  programId,
});

const pinNotFound = (programId: ProgramId): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'PIN_NOT_FOUND',
    message: `program ${programId.slice(programId.indexOf('~') + 1)} has no pin now`,
  });
