import { Controller, Get, Inject, ServiceUnavailableException } from '@nestjs/common';
import { ControlPlane, type ControlPlaneStatus } from '../lifecycle/control-plane.js';

/** Liveness, readiness and the end of the start over HTTP. */
@Controller('health')
export class HealthController {
  readonly #controlPlane: ControlPlane;

  constructor(@Inject(ControlPlane) controlPlane: ControlPlane) {
    this.#controlPlane = controlPlane;
  }

  /** The process answers. */
  @Get('live')
  live(): { readonly status: 'ok' } {
    return { status: 'ok' };
  }

  /** The start is over: the database and the lease are there, programs of before are back. 503 otherwise. */
  @Get('startup')
  startup(): { readonly status: 'ok' } {
    if (this.#controlPlane.status.listening) return { status: 'ok' };
    throw new ServiceUnavailableException({ status: 'starting' });
  }

  /** The service takes turns: it listens, is not stopping, has an engine, and can write. 503 otherwise. */
  @Get('ready')
  ready(): { readonly status: 'ok'; readonly checks: ControlPlaneStatus } {
    const checks = this.#controlPlane.status;
    if (Object.values(checks).every(Boolean)) return { status: 'ok', checks };
    throw new ServiceUnavailableException({ status: 'unavailable', checks });
  }
}
