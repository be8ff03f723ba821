import { chmod, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskBlobStore, type DiskBlobStoreOptions } from '../../../src/blobstore/backends/disk-blob-store.js';
import { Digest } from '../../../src/digest/digest.js';
import { chunks } from '../../helpers/chunks.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

/** A disk store in a folder that goes with it. It can be opened again, and its files can be tampered with. */
export class DiskSite implements AsyncDisposable {
  readonly path: string;
  readonly #folder: AsyncDisposable;
  #options: Partial<DiskBlobStoreOptions>;
  #store: DiskBlobStore | undefined;

  private constructor(folder: AsyncDisposable & { readonly path: string }, options: Partial<DiskBlobStoreOptions>) {
    this.#folder = folder;
    this.#options = options;
    this.path = join(folder.path, 'made', 'when missing');
  }

  static async open(options: Partial<DiskBlobStoreOptions> = {}): Promise<DiskSite> {
    const site = new DiskSite(await temporaryDirectory(), options);
    await site.reopen();
    return site;
  }

  get store(): DiskBlobStore {
    return this.#store!;
  }

  /** Closes the store, lets `between` happen, and opens it again. */
  async reopen(options: Partial<DiskBlobStoreOptions> = {}, between?: () => Promise<unknown>): Promise<void> {
    await this.close();
    await between?.();
    this.#options = { ...this.#options, ...options };
    this.#store = await DiskBlobStore.open({ path: this.path, ...this.#options });
  }

  async close(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    await store?.[Symbol.asyncDispose]();
  }

  async put(content: string | Uint8Array): Promise<Digest> {
    const digest = Digest.of(Buffer.from(content));
    await this.store.write(digest, chunks(content));
    return digest;
  }

  /** The file of a large blob. */
  fileOf({ function: fn, hash, sizeBytes }: Digest): string {
    return join(this.path, fn.segment, hash.slice(0, 2), `${hash}-${sizeBytes}`);
  }

  /** The names of the pack segments. */
  async packs(): Promise<string[]> {
    const names = await readdir(join(this.path, 'packs'));
    return names.filter((name) => name.endsWith('.pack')).sort();
  }

  /** Changes the bytes of a small blob in whichever segment they are. */
  async tamper(content: string, into: string): Promise<void> {
    for (const name of await this.packs()) {
      const file = join(this.path, 'packs', name);
      const bytes = await readFile(file);
      const at = bytes.indexOf(content);
      if (at < 0) continue;
      bytes.write(into, at);
      await writeFile(file, bytes);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Makes a blob's file one that can be changed. */
export async function unlock(file: string): Promise<void> {
  await chmod(file, 0o644);
}
