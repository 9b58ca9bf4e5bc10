import { Module } from '@nestjs/common';
import { ServiceMetrics } from './service-metrics.js';

/** The service's counts; their page is in metrics-page.ts. */
@Module({ providers: [{ provide: ServiceMetrics, useFactory: () => new ServiceMetrics() }], exports: [ServiceMetrics] })
export class MetricsModule {}
