import { type DynamicModule, Module } from '@nestjs/common';
import type { Clock, Telemetry } from '@holdfast/platform';
import type { Logger } from 'pino';
import type { Config } from './config/config.js';
import type { OpenEngine } from './engine-targets.js';
import type { EngineTarget } from './engines/engine-registry.js';
import { CLOCK, CONFIG, ENGINE_TARGETS, LOGGER, ON_FATAL, OPEN_ENGINE, TELEMETRY } from './tokens.js';

/** What the process brings to the application. */
export interface Foundation {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly engines: readonly EngineTarget[];
  /** Opens a client of an engine that is registered while the service runs. */
  readonly openEngine: OpenEngine;
  readonly telemetry: Telemetry;
  /** The service cannot go on: a broken invariant, a lost lease, a database that refuses. */
  readonly onFatal: (error: unknown) => void;
}

/** Gives every module the process's values. */
@Module({})
export class FoundationModule {
  static of(foundation: Foundation): DynamicModule {
    const providers = [
      { provide: CONFIG, useValue: foundation.config },
      { provide: LOGGER, useValue: foundation.logger },
      { provide: CLOCK, useValue: foundation.clock },
      { provide: ENGINE_TARGETS, useValue: foundation.engines },
      { provide: OPEN_ENGINE, useValue: foundation.openEngine },
      { provide: TELEMETRY, useValue: foundation.telemetry },
      { provide: ON_FATAL, useValue: foundation.onFatal },
    ];
    return { module: FoundationModule, global: true, providers, exports: providers };
  }
}
