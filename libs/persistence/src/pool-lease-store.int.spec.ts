import { setTimeout as sleep } from 'node:timers/promises';
import { millis, seconds } from '@holdfast/scheduling';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type PoolLease, PoolLeaseStore } from './pool-lease-store.js';
import { LeaseLostError } from './storage-errors.js';
import { type Storage, startStorage } from './storage.fixture.js';

let storage: Storage;
let leases: PoolLeaseStore;

beforeAll(async () => {
  storage = await startStorage();
  leases = new PoolLeaseStore(storage.database);
});
afterAll(() => storage.close());

async function acquired(poolId: string, owner: string, ttlMillis = 60_000): Promise<PoolLease> {
  const attempt = await leases.acquire(poolId, owner, millis(ttlMillis));
  if (!attempt.acquired) throw new Error(`held by ${attempt.heldBy}`);
  return attempt.lease;
}

describe('PoolLeaseStore', () => {
  it('gives a pool to one owner and refuses another while the lease lives', async () => {
    const lease = await acquired('one', 'a');
    expect(lease).toMatchObject({ poolId: 'one', owner: 'a', fencingToken: 1 });
    const refused = await leases.acquire('one', 'b', seconds(60));
    expect(refused).toEqual({ acquired: false, heldBy: 'a', expiresAt: lease.expiresAt });
    expect(await leases.acquire('other', 'b', seconds(60))).toMatchObject({ acquired: true });
  });

  it('gives exactly one of many owners the pool when they ask at once', async () => {
    const owners = Array.from({ length: 8 }, (_, index) => `owner ${index}`);
    const attempts = await Promise.all(owners.map((owner) => leases.acquire('contended', owner, seconds(60))));
    expect(attempts.filter((attempt) => attempt.acquired)).toHaveLength(1);
  });

  it('gives an expired pool to the next owner with a larger token, and the old lease is lost', async () => {
    const old = await acquired('expiring', 'a', 1);
    await sleep(20);
    const next = await acquired('expiring', 'b');
    expect(next.fencingToken).toBeGreaterThan(old.fencingToken);
    await expect(leases.renew(old, seconds(60))).rejects.toThrow(LeaseLostError);
    await leases.release(old);
    expect(await leases.acquire('expiring', 'c', seconds(60))).toMatchObject({ acquired: false, heldBy: 'b' });
  });

  it('extends a lease on renewal, also one that ran out and that nobody took', async () => {
    const lease = await acquired('renewed', 'a', 1);
    await sleep(20);
    const renewed = await leases.renew(lease, seconds(60));
    expect(renewed.fencingToken).toBe(lease.fencingToken);
    expect(renewed.expiresAt - lease.expiresAt).toBeGreaterThan(59_000_000);
    expect(await leases.acquire('renewed', 'b', seconds(60))).toMatchObject({ acquired: false });
  });

  it('frees the pool at once on release', async () => {
    await leases.release(await acquired('released', 'a'));
    expect(await acquired('released', 'b')).toMatchObject({ fencingToken: 2 });
  });

  it('gives a restarted owner a new token, so that writes of its former life are stale', async () => {
    const before = await acquired('restarted', 'a');
    const after = await acquired('restarted', 'a');
    expect(after.fencingToken).toBe(before.fencingToken + 1);
    await expect(leases.renew(before, seconds(60))).rejects.toThrow('fencing token 1 is stale');
  });
});
