import type { MethodDefinition } from '@grpc/grpc-js';
import type { Channel } from '../../src/client/channel.js';
import { openChannel } from '../../src/client/open-channel.js';
import { RemoteActionCache } from '../../src/client/remote-action-cache.js';
import { RemoteBlobStore } from '../../src/client/remote-blob-store.js';
import { callUnary, type RemoteInstance } from '../../src/client/remote-instance.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import { inChunks } from '../blobstore/contract/blob-store.js';
import type { Dice } from '../helpers/chance.js';
import type { Ledger } from './ledger.js';

function spliceBlob(): MethodDefinition<reapi.SpliceBlobRequest.$Properties, reapi.SpliceBlobResponse> {
  const method = serviceDefinition(serviceNames.cas)['spliceBlob'];
  return method as MethodDefinition<reapi.SpliceBlobRequest.$Properties, reapi.SpliceBlobResponse>;
}

/** Once is enough: whatever is not acknowledged is as good as not sent. */
const impatient = { maxAttempts: 1, initialDelayMs: 0, maxDelayMs: 0 };

const kibibyte = 1024;
const mebibyte = 1024 * 1024;

/** What may go wrong when a server dies, or has no room. Anything else is a fault of its own. */
const expected: ReadonlySet<Code> = new Set([Code.Unavailable, Code.Cancelled, Code.ResourceExhausted]);

/** A client's way to a server at `url`. The caller closes the channel. */
export async function connect(
  url: string,
  compression: 'zstd' | 'none' = 'none',
): Promise<RemoteInstance & { readonly channel: Channel }> {
  const channel = await openChannel({ url, callTimeoutMs: 30_000 });
  return { channel, instanceName: '', retryPolicy: impatient, compression };
}

/** A client that uploads whatever there is in whatever way there is, until it is stopped or its server has gone. */
export class UploadLoad {
  readonly #ledger: Ledger;
  readonly #dice: Dice;
  readonly #mayFail: AbortSignal;

  /** `mayFail` aborts when the server may die: what is under way then is seen through to its end. */
  constructor(ledger: Ledger, dice: Dice, mayFail: AbortSignal) {
    this.#ledger = ledger;
    this.#dice = dice;
    this.#mayFail = mayFail;
  }

  /** Rejects if a call fails in a way that no client can expect. */
  async run(url: string): Promise<void> {
    const remote = await connect(url, this.#dice.pick(['zstd', 'none']));
    try {
      while (!this.#mayFail.aborted) await this.#do(remote);
    } catch (reason) {
      const { code } = StatusError.from(reason);
      if (code !== Code.Unavailable && !this.#mayFail.aborted) throw reason;
    } finally {
      remote.channel[Symbol.dispose]();
    }
  }

  async #do(remote: RemoteInstance): Promise<void> {
    const way = this.#dice.pick([
      () => this.#stream(remote, this.#dice.int(1, 300_000)),
      () => this.#stream(remote, this.#dice.int(mebibyte, 4 * mebibyte)),
      () => this.#batch(remote, this.#dice.int(1, 200), 2 * kibibyte),
      () => this.#batch(remote, this.#dice.int(1, 30), 64 * kibibyte),
      () => this.#batch(remote, 3, 1.3 * mebibyte),
      () => this.#splice(remote),
      () => this.#result(remote),
    ]);
    try {
      await way();
    } catch (reason) {
      if (!expected.has(StatusError.from(reason).code)) throw reason;
      if (StatusError.from(reason).code === Code.Unavailable) throw reason;
    }
  }

  #blob(sizeBytes: number): { readonly digest: Digest; readonly data: Buffer } {
    const data = this.#dice.bytes(sizeBytes);
    const digest = Digest.of(data);
    this.#ledger.send(digest);
    return { digest, data };
  }

  async #stream(remote: RemoteInstance, sizeBytes: number): Promise<Digest> {
    const { digest, data } = this.#blob(sizeBytes);
    await new RemoteBlobStore(remote).write(digest, inChunks(data, 200_000));
    this.#ledger.store(digest);
    return digest;
  }

  /** One call, however large: its entries succeed or fail one by one. */
  async #batch(remote: RemoteInstance, count: number, maxBytes: number): Promise<readonly Digest[]> {
    const blobs = Array.from({ length: count }, () => this.#blob(this.#dice.int(1, maxBytes)));
    const outcomes = await new RemoteBlobStore(remote).writeBatch(blobs);
    const stored: Digest[] = [];
    for (const [index, { digest }] of blobs.entries()) {
      const failure = outcomes[index];
      if (failure && !expected.has(failure.code)) throw failure;
      if (failure) continue;
      this.#ledger.store(digest);
      stored.push(digest);
    }
    return stored;
  }

  async #splice(remote: RemoteInstance): Promise<void> {
    const chunks = Array.from({ length: 4 }, () => this.#blob(this.#dice.int(1, 200_000)));
    const outcomes = await new RemoteBlobStore(remote).writeBatch(chunks);
    const failure = outcomes.find((outcome) => outcome);
    if (failure) throw failure;
    for (const { digest } of chunks) this.#ledger.store(digest);
    const whole = Digest.of(Buffer.concat(chunks.map(({ data }) => data)));
    this.#ledger.send(whole);
    const request = { blobDigest: whole.toProto(), chunkDigests: chunks.map(({ digest }) => digest.toProto()) };
    await unlessGone(callUnary(remote, spliceBlob, request));
    this.#ledger.store(whole);
  }

  /** A result, whose outputs come first, for one of a few actions. */
  async #result(remote: RemoteInstance): Promise<void> {
    const outputs = await this.#batch(remote, this.#dice.int(1, 5), 10 * kibibyte);
    const action = Digest.of(Buffer.from(`action ${this.#dice.int(1, 20)}`));
    const worker = `worker ${this.#dice.int(1, 2 ** 30)}`;
    this.#ledger.sendResult(action, worker);
    const outputFiles = outputs.map((digest, index) => ({ path: `output ${index}`, digest: digest.toProto() }));
    const result = reapi.ActionResult.create({ outputFiles, executionMetadata: { worker } });
    await new RemoteActionCache(remote).update(action, result);
    this.#ledger.storeResult(action, worker);
  }
}

/** A chunk may have been evicted meanwhile: that is a failed upload like another. */
async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (reason) {
    const error = StatusError.from(reason);
    if (error.code !== Code.NotFound) throw error;
    throw new StatusError(Code.ResourceExhausted, 'A chunk was evicted', { cause: error });
  }
}
