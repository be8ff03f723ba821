import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { InstanceRegistry, type Instance } from '../../src/services/instance-registry.js';
import { SchedulerBench, type SchedulerBenchOptions } from './scheduler-bench.js';

/** An instance `main`, also under the empty name, that executes over a store in memory. */
export class ActionBench implements AsyncDisposable {
  readonly blobs: BlobStore = new VerifyingBlobStore(new MemoryBlobStore());
  readonly jobs: SchedulerBench;
  readonly registry: InstanceRegistry;

  private constructor(jobs: SchedulerBench) {
    this.jobs = jobs;
    const { blobs } = this;
    const instance = { blobs, execution: { scheduler: jobs.scheduler, blobs } };
    this.registry = new InstanceRegistry(
      new Map<string, Instance>([
        ['main', instance],
        ['', instance],
        ['cache-only', { blobs }],
      ]),
    );
  }

  static async open(options: SchedulerBenchOptions = {}): Promise<ActionBench> {
    return new ActionBench(await SchedulerBench.open(options));
  }

  async put(data: Uint8Array): Promise<Digest> {
    const digest = Digest.of(data);
    for (const failure of await this.blobs.writeBatch([{ digest, data }])) if (failure) throw failure;
    return digest;
  }

  putAction(action: reapi.Action.$Properties): Promise<Digest> {
    return this.put(reapi.Action.encode(action).finish());
  }

  putCommand(command: reapi.Command.$Properties): Promise<Digest> {
    return this.put(reapi.Command.encode(command).finish());
  }

  /** An Action that can be executed, with what is said of its Command and of itself. */
  async action(command: reapi.Command.$Properties = {}, action: reapi.Action.$Properties = {}): Promise<Digest> {
    const commandDigest = await this.putCommand({ arguments: ['true'], ...command });
    return this.putAction({
      commandDigest: commandDigest.toProto(),
      inputRootDigest: Digest.empty().toProto(),
      ...action,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.jobs[Symbol.asyncDispose]();
  }
}
