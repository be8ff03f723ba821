import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskBlobStore } from '../../../src/blobstore/backends/disk-blob-store.js';
import { Code } from '../../../src/common/code.js';
import { needsProgram } from '../../helpers/capabilities.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { runTraced } from '../packs/pack-process.js';

const store = JSON.stringify(new URL('../../../src/blobstore/backends/disk-blob-store.js', import.meta.url).href);

/** Opens a store, lets `task` work with a large and a small blob, and closes it. */
const withStore = (task: string): string => `
  const { DiskBlobStore } = await import(${store});
  const store = await DiskBlobStore.open({ path, maxBytes: 1e9 });
  const [large, small] = [blobOf('large'.repeat(20_000)), blobOf('small')];
  const halves = async function* (data) { yield data.subarray(0, 2); yield data.subarray(2); };
  const write = ({ digest, data }) => outcomeOf(store.write(digest, halves(data)));
  const read = async ({ digest }) => {
    let sizeBytes = 0;
    for await (const chunk of store.read(digest)) sizeBytes += chunk.length;
    return sizeBytes;
  };
  const missing = async () => (await store.findMissing([large.digest, small.digest])).map(({ sizeBytes }) => sizeBytes);
  ${task}
  await store[Symbol.asyncDispose]();
`;

describe('DiskBlobStore on a failing disk (U5, D3)', function () {
  this.timeout(60_000);
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;

  before(function () {
    needsProgram(this, 'strace', 'the disk store on a failing disk');
  });

  beforeEach(async () => {
    directory = await temporaryDirectory();
    path = join(directory.path, 'cas');
    await mkdir(path);
  });

  afterEach(() => directory[Symbol.asyncDispose]());

  // The first flush is that of the small blob, the first rename that of the folder's format.
  for (const [call, error, when, code] of [
    ['fdatasync', 'EIO', 2, Code.Unavailable],
    ['fdatasync', 'ENOSPC', 2, Code.ResourceExhausted],
    ['writev', 'EIO', 1, Code.Unavailable],
    ['/^rename', 'EIO', 2, Code.Unavailable],
  ] as const) {
    it(`stores nothing when ${call.replace(/\W/g, '')} fails with ${error}, says so, and goes on`, async () => {
      const task = `
        await write(small);
        print(await write(large));
        print(await missing());
        print(await write(large));
        print(await missing());
      `;
      const faults = [`${call}:error=${error}:when=${when}`];

      const { values } = await runTraced(path, withStore(task), { traced: call, faults });

      assert.deepEqual(values, [code, [100_000], 'stored', []]);
      await using opened = await DiskBlobStore.open({ path });
      assert.equal((await opened.stats()).figures?.['quarantinedBlobs'], 0);
      assert.deepEqual(await readdir(join(path, 'tmp')), []);
    });
  }

  for (const blob of ['large', 'small']) {
    it(`keeps a ${blob} blob that cannot be read just now`, async () => {
      await runTraced(path, withStore('await write(small); await write(large);'), { traced: 'fdatasync' });
      const names = (await readdir(path, { recursive: true })).filter((name) => /\.pack$|-100000$/.test(name));
      const file = names.find((name) => name.endsWith('.pack') === (blob === 'small'))!;
      const task = `
        print(await outcomeOf(read(${blob})));
        print(await missing());
        let outcome;
        do outcome = await outcomeOf(read(${blob})); while (outcome === ${Code.Unavailable});
        print(outcome);
      `;
      // Once in each thread.
      const faults = ['pread64:error=EIO:when=1'];

      const { values } = await runTraced(path, withStore(task), { traced: 'pread64', faults, file: join(path, file) });

      assert.deepEqual(values, [Code.Unavailable, [], 'stored']);
    });
  }
});
