import { once } from 'node:events';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { health } from '../proto/index.js';
import type { CallContext } from './call-context.js';

const { ServingStatus } = health.HealthCheckResponse;

/** Serves `grpc.health.v1.Health` for the services of an endpoint. Serving from the start, until {@link stopServing}. */
export class HealthService {
  readonly #services: ReadonlySet<string>;
  readonly #stopped = new AbortController();

  /** `services` are full names; the empty name, the server as a whole, is always known. */
  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services]);
  }

  /** Tells NOT_SERVING from now on, so that load balancers send nothing new (RT-3). */
  stopServing(): void {
    this.#stopped.abort();
  }

  async check({ service }: health.HealthCheckRequest): Promise<health.HealthCheckResponse.$Properties> {
    if (!this.#services.has(service)) {
      throw new StatusError(Code.NotFound, `Service ${JSON.stringify(service)} is not served on this endpoint`);
    }
    return { status: this.#status(service) };
  }

  async *watch(
    { service }: health.HealthCheckRequest,
    { signal }: CallContext,
  ): AsyncIterable<health.HealthCheckResponse.$Properties> {
    yield { status: this.#status(service) };
    if (!this.#stopped.signal.aborted) await once(this.#stopped.signal, 'abort', { signal });
    yield { status: this.#status(service) };
  }

  #status(service: string): health.HealthCheckResponse.ServingStatus {
    if (!this.#services.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.#stopped.signal.aborted ? ServingStatus.NOT_SERVING : ServingStatus.SERVING;
  }
}
