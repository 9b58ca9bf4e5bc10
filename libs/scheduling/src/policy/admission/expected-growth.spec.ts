import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { instant, micros } from '../../model/units.js';
import type { PolicyFact, ProgramFacts } from '../facts.js';
import { aProgram, aTurn } from '../policy.fixture.js';
import { PoolFixture } from './admission.fixture.js';
import { EXPECTED_GROWTH_DEFAULTS, expectedGrowthAdmission, type ExpectedGrowthState } from './expected-growth.js';

/** A pool whose engines release what the policy lets through, as the kernel does. */
class World {
  readonly pool: PoolFixture<ExpectedGrowthState>;
  readonly admitted: string[] = [];

  constructor(capacity: number, stretch = EXPECTED_GROWTH_DEFAULTS.stretch) {
    this.pool = new PoolFixture(
      expectedGrowthAdmission({ ...EXPECTED_GROWTH_DEFAULTS, stretch, hintStretch: stretch }),
      capacity,
    );
  }

  submit(programId: string, promptTokens: number, hint: Partial<ProgramFacts> = {}): boolean {
    const { pool } = this;
    const known = pool.programs.get(programId) ?? { arrivedAt: pool.now, turnsFinished: 0, contextTokens: 0 };
    pool.programs.set(programId, aProgram({ programId, ...known, ...hint, turn: null }));
    const isAdmitted = pool.submit(programId, promptTokens);
    if (isAdmitted) this.admitted.push(programId);
    return isAdmitted;
  }

  observe(fact: PolicyFact): void {
    this.pool.policy.observe(this.pool.state, fact, this.pool.now);
  }

  ran(programId: string, contextTokens: number, cachedTokens = 0): void {
    const program = this.pool.programs.get(programId)!;
    const turn = program.turn ?? aTurn({ promptTokens: program.contextTokens });
    const figures = { wasEvicted: false, queueDelay: micros(0), uncachedTokens: turn.promptTokens - cachedTokens };
    const home = { engineId: 'engine-a', epoch: this.pool.engines[0]!.description.epoch };
    this.observe({
      type: 'turnRan',
      program: { ...program, home },
      turn,
      ...figures,
      outputTokens: contextTokens - turn.promptTokens,
    });
    this.pool.programs.set(programId, {
      ...program,
      home,
      contextTokens,
      turnsFinished: program.turnsFinished + 1,
      turn: null,
    });
  }

  letGo(programId: string): void {
    this.observe({ type: 'contextReleased', program: this.pool.programs.get(programId)! });
    this.release();
  }

  end(programId: string): void {
    const program = this.pool.programs.get(programId)!;
    this.pool.programs.delete(programId);
    this.observe({ type: 'programEnded', program, completed: true });
    this.release();
  }

  release(): void {
    const { policy, state, pool, programs } = this.pool;
    for (const programId of policy.release(state, [], pool)) {
      const program = programs.get(programId)!;
      programs.set(programId, { ...program, turn: { ...program.turn!, state: 'queued' } });
      this.admitted.push(programId);
    }
  }

  /** Programs of one size have come and gone. */
  learn(contextTokens: number): this {
    for (let index = 0; index < 100; index += 1) {
      this.submit(`past-${index}`, 300);
      this.ran(`past-${index}`, contextTokens);
      this.pool.wait(10);
      this.end(`past-${index}`);
    }
    this.admitted.length = 0;
    return this;
  }
}

describe('admission by expected growth', () => {
  it('lets a small new program wait when what it will grow to does not fit', () => {
    const world = new World(50_000).learn(20_000);
    for (const programId of ['a', 'b']) {
      expect(world.submit(programId, 300)).toBe(true);
      world.ran(programId, 20_000);
    }
    expect(world.submit('c', 300)).toBe(false);
    world.end('a');
    expect(world.admitted).toEqual(['a', 'b', 'c']);
  });

  it('lets in whoever comes while everybody fits, and the first one whatever its size', () => {
    const world = new World(50_000).learn(2_000);
    for (let index = 0; index < 10; index += 1) expect(world.submit(`p${index}`, 300)).toBe(true);
    expect(new World(50_000).submit('huge', 200_000)).toBe(true);
  });

  it('gives the memory of a context that was let go to others, and makes its program wait when it returns', () => {
    const world = new World(50_000).learn(20_000);
    for (const programId of ['a', 'b']) {
      world.submit(programId, 300);
      world.ran(programId, 20_000);
    }
    expect(world.submit('c', 300)).toBe(false);
    world.letGo('a');
    expect(world.admitted).toEqual(['a', 'b', 'c']);
    world.ran('c', 20_000);
    expect(world.submit('a', 20_001)).toBe(false);
    world.end('b');
    expect(world.admitted).toEqual(['a', 'b', 'c', 'a']);
  });

  it('does not stop a program that runs between two of its turns', () => {
    const world = new World(50_000).learn(20_000);
    for (const programId of ['a', 'b']) {
      world.submit(programId, 300);
      world.ran(programId, 24_000);
    }
    expect(world.submit('c', 300)).toBe(false);
    expect(world.submit('a', 24_500)).toBe(true);
  });

  it('counts what programs of a class begin with once, when their first turns have found it', () => {
    const admittedWith = (cachedTokens: number): number => {
      const world = new World(50_000);
      for (let index = 0; index < 100; index += 1) {
        world.submit(`past-${index}`, 8_000);
        world.ran(`past-${index}`, 9_000, cachedTokens);
        world.end(`past-${index}`);
      }
      world.admitted.length = 0;
      for (let index = 0; index < 20; index += 1) {
        if (world.submit(`p${index}`, 8_000)) world.ran(`p${index}`, 9_000, cachedTokens);
      }
      return world.admitted.length;
    };
    // Of 50,000 tokens: 9,000 each, or 8,000 together and 1,000 each, less the growth that the last one must find.
    expect(admittedWith(0)).toBe(5);
    expect(admittedWith(8_000)).toBe(20);
  });

  it('counts no more of a short prompt as shared than the prompt has', () => {
    const world = new World(50_000);
    for (let index = 0; index < 5; index += 1) {
      world.submit(`past-${index}`, 8_000);
      world.ran(`past-${index}`, 9_000, 8_000);
      world.end(`past-${index}`);
    }
    world.submit('long', 8_000);
    world.ran('long', 9_000, 8_000);
    const { claims } = world.pool.state;
    const before = claims.ofEngine('engine-a');
    expect(world.submit('short', 500)).toBe(true);
    expect(claims.ofEngine('engine-a')).toBe(before);
  });

  it('lets a short program pass a long one by its hint, but not one that has waited for longer than its own stay', () => {
    const fill = (world: World): void => {
      world.submit('resident', 300);
      world.ran('resident', 45_000);
    };
    const soon = new World(50_000).learn(20_000);
    fill(soon);
    soon.submit('long', 300, { expectedTokens: 400_000 });
    soon.pool.wait(1);
    soon.submit('short', 300, { expectedTokens: 1_000 });
    soon.end('resident');
    expect(soon.admitted.slice(1, 3)).toEqual(['short', 'long']);

    const late = new World(50_000).learn(20_000);
    fill(late);
    late.submit('long', 300, { expectedTokens: 400_000 });
    late.pool.wait(100_000);
    late.submit('short', 300, { expectedTokens: 1_000 });
    late.end('resident');
    expect(late.admitted.slice(1, 3)).toEqual(['long', 'short']);
  });

  it('orders by an expected number of turns, too, at as many tokens a turn as others had', () => {
    const world = new World(50_000).learn(20_000);
    world.submit('resident', 300);
    world.ran('resident', 40_000);
    world.submit('resident', 41_000);
    world.ran('resident', 45_000);
    world.submit('long', 300, { expectedTurns: 200 });
    world.pool.wait(1);
    world.submit('short', 300, { expectedTurns: 2 });
    world.end('resident');
    expect(world.admitted.slice(-2)).toEqual(['short', 'long']);
  });

  it('puts a hint that says what the class says neither before nor behind those who say nothing', () => {
    const world = new World(50_000).learn(20_000);
    const expectedTokens = world.pool.state.forecast.expectedFinal('class', 300, Infinity);
    world.submit('resident', 300);
    world.ran('resident', 45_000);
    for (const [programId, hint] of Object.entries({ a: null, b: expectedTokens, c: null, d: expectedTokens / 2 })) {
      world.pool.wait(1);
      world.submit(programId, 300, { expectedTokens: hint });
    }
    world.end('resident');
    for (let index = 1; index < world.admitted.length; index += 1) world.end(world.admitted[index]!);
    expect(world.admitted).toEqual(['resident', 'd', 'a', 'b', 'c']);
  });

  it('starves nobody: whoever waits is in once those before him have ended, and claims end with their programs', () => {
    const programs = fc.array(
      fc.record({ size: fc.integer({ min: 300, max: 60_000 }), hint: fc.option(fc.nat(1e9)), wait: fc.nat(500) }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(programs, fc.constantFrom(0, 1, 5), (plans, stretch) => {
        const world = new World(50_000, stretch);
        const sizes = new Map<string, number>();
        for (const [index, { size, hint, wait }] of plans.entries()) {
          world.pool.wait(wait);
          sizes.set(`p${index}`, size);
          world.submit(`p${index}`, 300, { expectedTokens: hint });
        }
        for (let index = 0; index < world.admitted.length; index += 1) {
          const programId = world.admitted[index]!;
          world.ran(programId, sizes.get(programId)!);
          world.pool.wait(1);
          world.end(programId);
        }
        expect([...world.admitted].sort()).toEqual([...sizes.keys()].sort());
        expect(world.pool.state.claims.size).toBe(0);
        expect(world.pool.state.claims.ofEngine('engine-a')).toBe(0);
      }),
    );
  });

  it('never lets anybody pass who came later than the stay of the one before him', () => {
    const stays = fc.array(fc.record({ hint: fc.nat(1e7), wait: fc.nat(2_000) }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(stays, (plans) => {
        const world = new World(50_000).learn(20_000);
        const { seconds, tokens } = world.pool.state.stay;
        world.submit('resident', 300);
        world.ran('resident', 50_000);
        const arrivals = new Map<string, { readonly at: number; readonly staySeconds: number }>();
        for (const [index, { hint, wait }] of plans.entries()) {
          world.pool.wait(wait);
          const staySeconds = Math.min(86_400, (Math.max(300, hint) * seconds) / tokens);
          arrivals.set(`p${index}`, { at: world.pool.now, staySeconds });
          world.submit(`p${index}`, 300, { expectedTokens: hint });
        }
        world.end('resident');
        for (let index = 1; index < world.admitted.length; index += 1) world.end(world.admitted[index]!);
        const order = world.admitted.slice(1).map((programId) => arrivals.get(programId)!);
        expect(order).toHaveLength(plans.length);
        for (const [index, overtaken] of order.entries()) {
          for (const earlier of order.slice(0, index)) {
            expect(earlier.at).toBeLessThanOrEqual(instant(overtaken.at + overtaken.staySeconds * 1e6 + 1));
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('gives the tenant who holds least what becomes free: a burst of one delays another by no more than its share', () => {
    const world = new World(100_000).learn(10_000);
    for (let index = 0; index < 40; index += 1) world.submit(`burst-${index}`, 9_000, { tenantId: 'burst' });
    for (const programId of [...world.admitted]) world.ran(programId, 10_000);
    const running = world.admitted.length;
    world.pool.wait(600);
    for (let index = 0; index < 5; index += 1) world.submit(`late-${index}`, 9_000, { tenantId: 'late' });
    for (let index = 0; index < 4; index += 1) world.end(`burst-${index}`);
    expect(running).toBeGreaterThanOrEqual(9);
    expect(world.admitted.slice(running)).toEqual(['late-0', 'late-1', 'late-2']);
  });

  it('shares memory between tenants who all wait, to within the program admitted last', () => {
    const plans = fc.record({
      tenants: fc.integer({ min: 2, max: 4 }),
      sizes: fc.array(fc.integer({ min: 2_000, max: 20_000 }), { minLength: 40, maxLength: 40 }),
      ends: fc.array(fc.nat(30), { minLength: 30, maxLength: 30 }),
    });
    fc.assert(
      fc.property(plans, ({ tenants, sizes, ends }) => {
        const world = new World(100_000).learn(10_000);
        const { claims, waiting } = world.pool.state;
        for (const index of sizes.keys()) {
          world.submit(`p${index}`, 300, { tenantId: `tenant-${index % tenants}` });
        }
        const running = [...world.admitted];
        for (const pick of ends) {
          const programId = running.splice(pick % Math.max(1, running.length), 1)[0];
          if (programId === undefined) break;
          world.ran(programId, sizes[Number(programId.slice(1))]!);
          const held = (tenant: number): number => claims.ofTenant(`tenant-${tenant}`);
          const before = world.admitted.length;
          world.end(programId);
          const admitted = world.admitted.slice(before);
          running.push(...admitted);
          if (admitted.length === 0) continue;
          const last = admitted.at(-1)!;
          const its = Number(last.slice(1)) % tenants;
          const claim = claims.of(last)!;
          for (let tenant = 0; tenant < tenants; tenant += 1) {
            const isWaiting = [...world.pool.programs.values()].some(
              ({ tenantId, turn }) => tenantId === `tenant-${tenant}` && turn?.state === 'deferred',
            );
            // Before it was admitted, nobody who still waits held less than its own tenant.
            if (isWaiting) expect(held(tenant)).toBeGreaterThanOrEqual(held(its) - claim.finalTokens);
          }
        }
        expect(waiting.next === undefined || running.length > 0).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
