import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import type { bst } from '../proto/index.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';
import { maxReferenceKeys } from './limits.js';

/** Serves BuildStream's `ReferenceStorage` from the reference stores of its instances. */
export class ReferenceStorageService {
  readonly #registry: InstanceRegistry;

  constructor(registry: InstanceRegistry) {
    this.#registry = registry;
  }

  async getReference(
    { instanceName, key }: bst.GetReferenceRequest,
    { signal }: CallContext,
  ): Promise<bst.GetReferenceResponse.$Properties> {
    const { store } = this.#registry.references(instanceName);
    const digest = await store.get(checkedKey(key), signal);
    if (digest) return { digest: digest.toProto() };
    throw new StatusError(Code.NotFound, `No Directory is known as ${JSON.stringify(key)}`);
  }

  async updateReference(
    { instanceName, keys, digest }: bst.UpdateReferenceRequest,
    { signal }: CallContext,
  ): Promise<bst.UpdateReferenceResponse.$Properties> {
    const { store, allowsUpdates } = this.#registry.references(instanceName);
    if (!allowsUpdates) {
      throw new StatusError(
        Code.PermissionDenied,
        `Clients may not update references of instance ${JSON.stringify(instanceName)}`,
      );
    }
    if (keys.length === 0 || keys.length > maxReferenceKeys) {
      throw new StatusError(Code.InvalidArgument, `${keys.length} keys are given: 1 to ${maxReferenceKeys} are wanted`);
    }
    const root = Digest.fromProto(digest, digestFunctionOf(0, digest?.hash));
    await store.update(keys.map(checkedKey), root, signal);
    return {};
  }

  async status({ instanceName }: bst.StatusRequest): Promise<bst.StatusResponse.$Properties> {
    return { allowUpdates: this.#registry.references(instanceName).allowsUpdates };
  }
}

function checkedKey(key: string): string {
  if (key === '') throw new StatusError(Code.InvalidArgument, 'A key is empty');
  return key;
}
