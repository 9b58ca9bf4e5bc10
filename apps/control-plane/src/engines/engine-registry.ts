import type { EngineClient, EngineInfo } from '@holdfast/engines';
import { DomainError } from '@holdfast/platform';
import type { EngineEpoch, EngineId, Instant, KernelEvent } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import { EngineAttachment } from './engine-attachment.js';

/** Facts that all engines of a pool share: a prompt valid on one is valid on all. */
export interface PoolModel {
  readonly model: string;
  readonly vocabularySize: number;
  readonly maxContextTokens: number;
}

/** One engine to attach. */
export interface EngineTarget {
  readonly engineId: EngineId;
  readonly client: EngineClient;
}

/** What the registry works with. */
export interface EngineRegistryOptions {
  readonly targets: readonly EngineTarget[];
  readonly now: () => Instant;
  readonly post: (event: KernelEvent) => void;
  readonly knowsProgram: (programId: string) => boolean;
  /** The number of attached engines changed. */
  readonly onChange: () => void;
  readonly logger: Logger;
}

/** Where an engine stands. */
export interface EngineStanding {
  readonly engineId: EngineId;
  /** Null while the engine is away. */
  readonly info: EngineInfo | null;
  readonly isDraining: boolean;
}

/** The engines of one pool. */
export class EngineRegistry {
  readonly #options: EngineRegistryOptions;
  readonly #attachments = new Map<EngineId, EngineAttachment>();
  /** Kept here, too: a new epoch of a draining engine drains as well. */
  readonly #draining = new Set<EngineId>();
  #model: PoolModel | null = null;

  constructor(options: EngineRegistryOptions) {
    this.#options = options;
    for (const target of options.targets) this.#make(target);
  }

  /** The pool's model, once an engine has been attached; kept while all are away. */
  get model(): PoolModel | null {
    return this.#model;
  }

  /** Engines attached now. */
  get attached(): readonly EngineInfo[] {
    return [...this.#attachments.values()].flatMap(({ info }) => (info === null ? [] : [info]));
  }

  /** All engines, with whether each is attached now. */
  get presence(): ReadonlyMap<EngineId, boolean> {
    return new Map([...this.#attachments].map(([engineId, { info }]) => [engineId, info !== null]));
  }

  /** All engines, attached or away, in the order of their registration. */
  get standings(): readonly EngineStanding[] {
    return [...this.#attachments].map(([engineId, { info }]) => ({
      engineId,
      info,
      isDraining: this.#draining.has(engineId),
    }));
  }

  /** True when the engine is one of the pool. */
  has(engineId: EngineId): boolean {
    return this.#attachments.has(engineId);
  }

  /** Modifies state. One more engine; resolves when it was tried once. */
  async add(target: EngineTarget): Promise<void> {
    const attachment = this.#make(target);
    attachment.start();
    await attachment.settled();
  }

  /** Modifies state. Lets an engine go: what it runs or holds is lost. */
  async remove(engineId: EngineId): Promise<void> {
    const attachment = this.#attachments.get(engineId);
    if (attachment === undefined) return;
    this.#attachments.delete(engineId);
    this.#draining.delete(engineId);
    const wasAttached = attachment.info !== null;
    await attachment.stop();
    if (wasAttached) this.#options.post({ type: 'engineLost', engineId, reason: 'ENGINE_NOT_FOUND' });
    this.#options.onChange();
  }

  /** Modifies state. A draining engine ends what it runs and gets no new turns. */
  drain(engineId: EngineId, isDraining: boolean): void {
    if (isDraining) this.#draining.add(engineId);
    else this.#draining.delete(engineId);
    this.#options.post({ type: 'engineDraining', engineId, isDraining });
  }

  /** Modifies state. Starts to attach; resolves when each engine was tried once. */
  async start(): Promise<void> {
    for (const attachment of this.#attachments.values()) attachment.start();
    await Promise.all([...this.#attachments.values()].map((attachment) => attachment.settled()));
  }

  /** The client of an engine while `epoch` lasts. */
  client(engineId: EngineId, epoch: EngineEpoch): EngineClient | undefined {
    return this.#attachments.get(engineId)?.clientOf(epoch);
  }

  /** Engines attached now, each with its client. */
  get clients(): readonly {
    readonly engineId: EngineId;
    readonly epoch: EngineEpoch;
    readonly client: EngineClient;
  }[] {
    return this.attached.flatMap(({ description: { engineId, epoch } }) => {
      const client = this.client(engineId, epoch);
      return client === undefined ? [] : [{ engineId, epoch, client }];
    });
  }

  /** The client of any attached engine. */
  anyClient(): EngineClient | undefined {
    for (const attachment of this.#attachments.values()) {
      if (attachment.info !== null) return attachment.clientOf(attachment.info.description.epoch);
    }
    return undefined;
  }

  /** A call broke: looks whether the engine is to be given up. */
  async suspect(engineId: EngineId, epoch: EngineEpoch, error: DomainError): Promise<void> {
    await this.#attachments.get(engineId)?.suspect(epoch, error);
  }

  /** Modifies state. Ends all loops and closes all clients. */
  async stop(): Promise<void> {
    await Promise.all([...this.#attachments.values()].map((attachment) => attachment.stop()));
  }

  #make(target: EngineTarget): EngineAttachment {
    const attachment = new EngineAttachment(this.#attachmentOptions(target));
    this.#attachments.set(target.engineId, attachment);
    return attachment;
  }

  #attachmentOptions({ engineId, client }: EngineTarget): ConstructorParameters<typeof EngineAttachment>[0] {
    const { now, post, knowsProgram, onChange, logger } = this.#options;
    return {
      engineId,
      client,
      now,
      post,
      knowsProgram,
      admit: (info) => this.#admit(engineId, info),
      onAttached: (info) => {
        const { epoch, capabilities } = info.description;
        if (this.#draining.has(engineId)) post({ type: 'engineDraining', engineId, isDraining: true });
        logger.info({ engineId, epoch, kind: info.kind, version: info.version, capabilities }, 'engine attached');
        onChange();
      },
      onLost: (error, isFirstFailure) => {
        const fields = { engineId, reason: error.reason, err: error };
        if (isFirstFailure) logger.warn(fields, 'engine away');
        else logger.debug(fields, 'engine still away');
        onChange();
      },
    };
  }

  #admit(engineId: EngineId, info: EngineInfo): void {
    const { model, vocabularySize, maxContextTokens } = info;
    this.#model ??= { model, vocabularySize, maxContextTokens };
    const pool = this.#model;
    if (model !== pool.model || vocabularySize !== pool.vocabularySize || maxContextTokens !== pool.maxContextTokens) {
      throw new DomainError({
        kind: 'precondition',
        reason: 'MODEL_NOT_FOUND',
        message:
          `engine ${engineId} serves ${model} (vocabulary ${vocabularySize}, context ${maxContextTokens}); the pool ` +
          `is ${pool.model} (vocabulary ${pool.vocabularySize}, context ${pool.maxContextTokens})`,
      });
    }
  }
}
