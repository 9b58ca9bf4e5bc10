/**
 * The gRPC side of the service: grpc-js directly, inside Nest's lifecycle (docs/adr/0002-grpc-js-inside-nest.md).
 * ProgramService, health and reflection on one port.
 */
import { Server, type ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { reflectedFiles, program as wire } from '@holdfast/contracts';
import type { HostPort } from '@holdfast/platform';
import { HealthImplementation } from 'grpc-health-check';
import { withWireRequests } from './wire-request.js';

/** grpc-js itself refuses larger messages with a bare status; up to here the answer says what is allowed. */
const HARD_LIMIT_FACTOR = 2;

const SERVICE = 'holdfast.program.v1.ProgramService';

/** A call with an idle connection is kept alive; a caller that vanished is noticed. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

/** What the server serves. */
export interface GrpcServerOptions {
  readonly address: HostPort;
  readonly credentials: ServerCredentials;
  readonly handlers: Record<string, unknown>;
  readonly maxMessageBytes: number;
}

/** See the file header. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #server: Server;
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE]: 'NOT_SERVING' });

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    const maxBytes = options.maxMessageBytes;
    this.#server = new Server({
      'grpc.max_receive_message_length': HARD_LIMIT_FACTOR * maxBytes,
      'grpc.max_send_message_length': -1,
      // Nobody reads channelz, and its counters cost every call.
      'grpc.enable_channelz': 0,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    });
    this.#server.addService(
      withWireRequests(wire.ProgramServiceService, maxBytes),
      options.handlers as UntypedServiceImplementation,
    );
    this.#health.addToServer(this.#server);
    new ReflectionService(reflectedFiles(), { services: [SERVICE] }).addToServer(this.#server);
  }

  /** Modifies state. Binds and serves; returns the address, with the port that was taken. */
  listen(): Promise<string> {
    const { credentials } = this.#options;
    const { host, port } = this.#options.address;
    const target = host.includes(':') ? `[${host}]` : host;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${target}:${port}`, credentials, (error, bound) => {
        if (error === null) resolve(`${target}:${bound}`);
        else reject(error);
      });
    });
  }

  /** Modifies state. What health checks answer. */
  setServing(isServing: boolean): void {
    const status = isServing ? 'SERVING' : 'NOT_SERVING';
    this.#health.setStatus('', status);
    this.#health.setStatus(SERVICE, status);
  }

  /** Modifies state. Takes no new calls; resolves when all have ended. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  /** Modifies state. Cuts the calls that are left. */
  forceClose(): void {
    this.#server.forceShutdown();
  }
}
