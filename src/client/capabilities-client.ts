import type { reapi } from '../proto/index.js';
import { methods } from './method.js';
import { callUnary, type RemoteInstance } from './remote-instance.js';

/** Asks what a server can do. */
export class CapabilitiesClient {
  readonly #remote: RemoteInstance;

  constructor(remote: RemoteInstance) {
    this.#remote = remote;
  }

  /** Returns the capabilities of the instance, asked for anew each time. */
  get(signal?: AbortSignal): Promise<reapi.ServerCapabilities> {
    const { instanceName } = this.#remote;
    return callUnary(this.#remote, methods.getCapabilities, { instanceName }, signal);
  }
}
