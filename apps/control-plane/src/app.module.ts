import { type DynamicModule, Module } from '@nestjs/common';
import { type Foundation, FoundationModule } from './foundation.module.js';
import { LifecycleModule } from './lifecycle/lifecycle.module.js';

/** The control plane: persistence, programs, gRPC, start and stop, over the process's foundation. */
@Module({})
export class AppModule {
  static of(foundation: Foundation): DynamicModule {
    return { module: AppModule, imports: [FoundationModule.of(foundation), LifecycleModule] };
  }
}
