/**
 * The policy documents of a pool, and by which of them it is scheduled.
 *
 * An activation is one row, written under the pool's lease, and one event for the kernel; whoever owns the pool next
 * finds the row. Activations are made one after the other, so their events come in the order of their rows.
 */
import type {
  Page,
  PolicyActivationRow,
  PolicyDocumentRow,
  PolicyDryRunRow,
  PolicyRepository,
  PoolOwner,
} from '@holdfast/persistence';
import { invalidFields } from '@holdfast/platform';
import { instant, seconds, type Duration, type Instant } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import type { DryRunPayload } from '../jobs/catalogue.js';
import type { ServiceJobs } from '../jobs/service-jobs.js';
import type { Pool } from '../scheduling/pool.js';
import { activationMoved, dryRunNotFound, nothingToUndo, policyNotFound, requirePolicy } from './policy-errors.js';

/** How much of the past a dry run replays unless it is told otherwise. */
const DRY_RUN_WINDOW = seconds(3_600);
const LONGEST_DRY_RUN_WINDOW = seconds(86_400);

export interface PolicyServiceOptions {
  readonly owner: PoolOwner;
  readonly repository: PolicyRepository;
  readonly pool: Pick<Pool, 'post' | 'view' | 'now'>;
  readonly jobs: Pick<ServiceJobs, 'queue'>;
  /** HOLDFAST_POLICY: what the kernel begins with. */
  readonly configured: string;
  readonly dispatchWindow: number;
  /** Real time, whatever the service's time scale. */
  readonly wallNow: () => Instant;
  readonly logger: Logger;
}

/** What the pool is scheduled by. */
export interface ActivePolicy {
  readonly document: PolicyDocumentRow;
  readonly activation: PolicyActivationRow;
}

/** By whom a change is made, and on what state of things. */
export interface PolicyChange {
  /** Key of the operator; null without authentication. */
  readonly by: string | null;
  /** Sequence of the activation that must still be the last one (If-Match); absent: whatever is. */
  readonly expectedSequence?: number;
}

/** What to try, and on which past. */
export interface DryRunOrder {
  /** Name with parameters, of a document or not. */
  readonly candidate: string;
  readonly by: string | null;
  /** Up to now; default an hour, at most a day. */
  readonly window?: Duration;
}

/** See the file header. */
export class PolicyService {
  readonly #options: PolicyServiceOptions;
  #active: ActivePolicy | null = null;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: PolicyServiceOptions) {
    this.#options = options;
  }

  /** What the pool is scheduled by. @throws Error before `restore`. */
  get active(): ActivePolicy {
    if (this.#active === null) throw new Error('the policies of the pool were not restored');
    return this.#active;
  }

  /**
   * Modifies state. Takes up the policy of before, unless HOLDFAST_POLICY has changed since it was last read: then that
   * is a new document, and active.
   */
  restore(): Promise<void> {
    return this.#oneAfterTheOther(async () => {
      const { repository, owner, configured, logger } = this.#options;
      const known = await repository.configured(owner.poolId);
      const own = known?.policy === configured ? known : null;
      const last = await this.#last();
      const isUsable = last !== null && isReadable(last.document);
      if (own !== null && isUsable) {
        this.#active = last;
        if (last.document.policy !== configured) this.#tell(last.document);
        return;
      }
      if (last !== null && !isUsable) {
        const { policy } = last.document;
        logger.warn({ policy }, 'this version knows no such policy: that of the configuration is used');
      }
      const document = own ?? (await this.#add(configured, { note: 'HOLDFAST_POLICY', by: null }));
      const after = last?.activation.sequence ?? 0;
      await this.#switchTo(document, { by: null, after, undoes: null, isTold: true });
    });
  }

  /** What was activated last; null when nothing was. */
  async #last(): Promise<ActivePolicy | null> {
    const { repository, owner } = this.#options;
    const activation = await repository.lastActivation(owner.poolId);
    if (activation === undefined) return null;
    const document = await repository.document(owner.poolId, activation.version);
    return document === undefined ? null : { document, activation };
  }

  /** Documents, newest first. @throws DomainError FIELD_INVALID for a page that does not exist. */
  documents(page: { readonly pageSize: number; readonly pageToken?: string }): Promise<Page<PolicyDocumentRow>> {
    return this.#options.repository.documents(this.#options.owner.poolId, page);
  }

  /** Activations, newest first. @throws DomainError FIELD_INVALID for a page that does not exist. */
  activations(page: { readonly pageSize: number; readonly pageToken?: string }): Promise<Page<PolicyActivationRow>> {
    return this.#options.repository.activations(this.#options.owner.poolId, page);
  }

  /** @throws DomainError POLICY_NOT_FOUND. */
  async document(version: number): Promise<PolicyDocumentRow> {
    const document = await this.#options.repository.document(this.#options.owner.poolId, version);
    if (document === undefined) throw policyNotFound(version);
    return document;
  }

  /** Adds a document; it is not active. @throws DomainError FIELD_INVALID. */
  async create(
    policy: string,
    change: { readonly note: string; readonly by: string | null },
  ): Promise<PolicyDocumentRow> {
    requirePolicy(policy);
    // The configuration alone has no author; a change without authentication is by nobody in particular.
    return this.#add(policy, { ...change, by: change.by ?? 'anonymous' });
  }

  /** Schedules the pool by a document from now on. @throws DomainError POLICY_NOT_FOUND, FIELD_INVALID, VERSION_CONFLICT, LEASE_LOST. */
  activate(version: number, change: PolicyChange): Promise<ActivePolicy> {
    return this.#oneAfterTheOther(async () => {
      const document = await this.document(version);
      requirePolicy(document.policy);
      return this.#switchTo(document, { by: change.by, after: this.#expected(change), undoes: null, isTold: false });
    });
  }

  /** Goes back to what was active before. @throws DomainError POLICY_NOT_FOUND when nothing was, VERSION_CONFLICT, LEASE_LOST. */
  undo(change: PolicyChange): Promise<ActivePolicy> {
    return this.#oneAfterTheOther(async () => {
      const after = this.#expected(change);
      const undone = await this.#standing(this.active.activation);
      const before = undone === undefined ? undefined : await this.#below(undone);
      if (undone === undefined || before === undefined) throw nothingToUndo();
      const document = await this.document(before.version);
      requirePolicy(document.policy);
      return this.#switchTo(document, { by: change.by, after, undoes: undone.sequence, isTold: false });
    });
  }

  /**
   * Replays recorded programs under a candidate and the active policy; the same order again is the same job.
   *
   * @throws DomainError FIELD_INVALID, QUEUE_FULL.
   */
  async dryRun({ candidate, by, window = DRY_RUN_WINDOW }: DryRunOrder): Promise<PolicyDryRunRow> {
    requirePolicy(candidate);
    if (window <= 0 || window > LONGEST_DRY_RUN_WINDOW) {
      const description = `is ${window} µs; allowed: above 0, up to ${LONGEST_DRY_RUN_WINDOW} (a day)`;
      throw invalidFields([{ field: 'window', description }]);
    }
    const { pool, jobs, repository, owner, wallNow } = this.#options;
    const toAt = pool.now();
    const fromAt = instant(Math.max(0, toAt - window));
    const active = this.active.document.policy;
    const payload = this.#payload({ candidate, active, fromAt, toAt });
    const jobId = jobs.queue.idOf('policy-dry-run', payload);
    const requested = { requestedAt: wallNow(), requestedBy: by };
    await repository.addDryRun({ jobId, poolId: owner.poolId, candidate, active, fromAt, toAt, ...requested });
    await jobs.queue.add('policy-dry-run', payload);
    return this.dryRunOf(jobId);
  }

  /** The dry run of a job; its result is null until it is done. @throws DomainError JOB_NOT_FOUND. */
  async dryRunOf(jobId: string): Promise<PolicyDryRunRow> {
    const row = await this.#options.repository.dryRun(jobId);
    if (row === undefined || row.poolId !== this.#options.owner.poolId) throw dryRunNotFound(jobId);
    return row;
  }

  #payload(run: Pick<PolicyDryRunRow, 'candidate' | 'active' | 'fromAt' | 'toAt'>): DryRunPayload {
    const { owner, pool, dispatchWindow } = this.#options;
    // An engine that does not tell its size says 0.
    const engines = pool.view().engines.map(({ description }) => ({ totalBlocks: description.totalBlocks || null }));
    return {
      poolId: owner.poolId,
      candidate: run.candidate,
      active: run.active,
      fromMicros: run.fromAt,
      toMicros: run.toAt,
      dispatchWindow,
      engines: engines.length === 0 ? [{ totalBlocks: null }] : engines,
    };
  }

  #add(
    policy: string,
    { note, by }: { readonly note: string; readonly by: string | null },
  ): Promise<PolicyDocumentRow> {
    const { repository, owner, wallNow } = this.#options;
    return repository.addDocument({ poolId: owner.poolId, policy, note, createdAt: wallNow(), createdBy: by });
  }

  #expected({ expectedSequence }: PolicyChange): number {
    const current = this.active.activation.sequence;
    if (expectedSequence !== undefined && expectedSequence !== current)
      throw activationMoved(expectedSequence, current);
    return current;
  }

  async #switchTo(
    document: PolicyDocumentRow,
    how: {
      readonly by: string | null;
      readonly after: number;
      readonly undoes: number | null;
      readonly isTold: boolean;
    },
  ): Promise<ActivePolicy> {
    const { repository, owner, wallNow, logger } = this.#options;
    const activation: PolicyActivationRow = {
      poolId: owner.poolId,
      sequence: how.after + 1,
      version: document.version,
      activatedAt: wallNow(),
      activatedBy: how.by,
      undoes: how.undoes,
    };
    const { poolId: _pool, ...row } = activation;
    if (!(await repository.activate(owner, row))) {
      const last = await repository.lastActivation(owner.poolId);
      throw activationMoved(how.after, last?.sequence ?? 0);
    }
    this.#active = { document, activation };
    if (!how.isTold) this.#tell(document);
    logger.info({ policy: document.policy, poolId: owner.poolId }, 'policy activated');
    return this.#active;
  }

  #tell({ version, policy }: PolicyDocumentRow): void {
    this.#options.pool.post({ type: 'policyActivated', version, policy });
  }

  /** The activation whose document an activation brought back: itself, unless it undid one. */
  async #standing(activation: PolicyActivationRow): Promise<PolicyActivationRow | undefined> {
    if (activation.undoes === null) return activation;
    const undone = await this.#options.repository.activation(activation.poolId, activation.undoes);
    return undone === undefined ? undefined : this.#below(undone);
  }

  /** What stood before an activation that undid nothing. */
  async #below(activation: PolicyActivationRow): Promise<PolicyActivationRow | undefined> {
    const before = await this.#options.repository.activation(activation.poolId, activation.sequence - 1);
    return before === undefined ? undefined : this.#standing(before);
  }

  #oneAfterTheOther<Result>(step: () => Promise<Result>): Promise<Result> {
    const done = this.#work.then(step);
    // A failed step is its caller's; the next one goes on.
    this.#work = done.catch(() => undefined);
    return done;
  }
}

const isReadable = ({ policy }: PolicyDocumentRow): boolean => {
  try {
    requirePolicy(policy);
    return true;
  } catch {
    // It is of another version of this program; the caller says so.
    return false;
  }
};
