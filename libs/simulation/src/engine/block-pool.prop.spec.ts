import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BlockPool } from './block-pool.js';
import { EventLog } from './event-log.js';
import { HostTier } from './host-tier.js';

const BLOCKS = 6;

/** What is known of a block, kept the slow way. */
interface Shadow {
  users: number;
  hard: number;
  soft: number;
  key: number;
}

const count = (shadows: readonly Shadow[], holds: (shadow: Shadow) => boolean): number => shadows.filter(holds).length;
const isIdle = ({ users, hard }: Shadow): boolean => users === 0 && hard === 0;

const expectSame = (pool: BlockPool, shadows: readonly Shadow[]): void => {
  expect({
    active: pool.active,
    pinned: pool.pinned,
    hardPinned: pool.hardPinned,
    evictable: pool.evictable,
    free: pool.free,
    softIdle: pool.softIdle,
    unprotected: pool.unprotected,
  }).toEqual({
    active: count(shadows, ({ users }) => users > 0),
    pinned: count(shadows, ({ users, hard }) => users === 0 && hard > 0),
    hardPinned: count(shadows, ({ hard }) => hard > 0),
    evictable: count(shadows, (shadow) => isIdle(shadow) && shadow.key > 0),
    free: count(shadows, (shadow) => isIdle(shadow) && shadow.key === 0),
    softIdle: count(shadows, (shadow) => isIdle(shadow) && shadow.soft > 0),
    unprotected: count(shadows, (shadow) => isIdle(shadow) && shadow.soft === 0),
  });
  expect(pool.active + pool.pinned + pool.evictable + pool.free).toBe(BLOCKS);
  for (let key = 1; key <= 4; key += 1) expect(pool.find(key)).toBe(shadows.findIndex((shadow) => shadow.key === key));
};

type Action = (pool: BlockPool, shadows: Shadow[], block: number, key: number) => void;

const actions: Readonly<Record<string, Action>> = {
  allocate(pool, shadows) {
    const block = pool.allocate();
    if (block < 0) {
      expect(count(shadows, (shadow) => isIdle(shadow) && shadow.soft === 0)).toBe(0);
      return;
    }
    const shadow = shadows[block]!;
    expect(isIdle(shadow) && shadow.soft === 0).toBe(true);
    shadows[block] = { users: 1, hard: 0, soft: 0, key: 0 };
  },
  register(pool, shadows, block, key) {
    if (shadows[block]!.users === 0 || shadows[block]!.key !== 0) return;
    const isNew = shadows.every((shadow) => shadow.key !== key);
    expect(pool.register(block, key)).toBe(isNew);
    if (isNew) shadows[block]!.key = key;
  },
  use(pool, shadows, block) {
    if (shadows[block]!.key === 0) return;
    pool.use(block);
    shadows[block]!.users += 1;
  },
  leave(pool, shadows, block) {
    if (shadows[block]!.users === 0) return;
    pool.leave(block);
    shadows[block]!.users -= 1;
  },
  pinHard(pool, shadows, block) {
    if (shadows[block]!.key === 0) return;
    pool.pinHard(block);
    shadows[block]!.hard += 1;
  },
  unpinHard(pool, shadows, block) {
    if (shadows[block]!.hard === 0) return;
    pool.unpinHard(block);
    shadows[block]!.hard -= 1;
  },
  pinSoft(pool, shadows, block) {
    if (shadows[block]!.key === 0) return;
    pool.pinSoft(block);
    shadows[block]!.soft += 1;
  },
  unpinSoft(pool, shadows, block) {
    if (shadows[block]!.soft === 0) return;
    pool.unpinSoft(block);
    shadows[block]!.soft -= 1;
  },
};

describe('block pool', () => {
  it('counts what a slow count finds after any sequence of changes (I4)', () => {
    const operation = fc.record({
      name: fc.constantFrom(...Object.keys(actions)),
      block: fc.nat(BLOCKS - 1),
      key: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120, size: 'max' }), (operations) => {
        const pool = new BlockPool(BLOCKS, new EventLog(true), new HostTier(0));
        const shadows = Array.from({ length: BLOCKS }, (): Shadow => ({ users: 0, hard: 0, soft: 0, key: 0 }));
        for (const { name, block, key } of operations) {
          actions[name]!(pool, shadows, block, key);
          expectSame(pool, shadows);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('refuses counts below zero', () => {
    const pool = new BlockPool(2, new EventLog(true), new HostTier(0));
    expect(() => pool.leave(0)).toThrow(/block 0 is not in use/);
    expect(() => pool.unpinHard(0)).toThrow(/block 0 has no hard pin/);
    expect(() => pool.unpinSoft(0)).toThrow(/block 0 has no soft pin/);
  });
});
