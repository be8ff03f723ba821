import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Digest } from '../../src/digest/digest.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const source = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

/** Writes numbered blobs, small ones in batches and large ones as streams, and prints the number of each that is stored. */
const writer = `
  const { DiskBlobStore } = await import(${source('blobstore/backends/disk-blob-store.js')});
  const { Digest } = await import(${source('digest/digest.js')});
  const { bytesOnce } = await import(${source('common/async-iteration.js')});
  const store = await DiskBlobStore.open({ path: process.argv[1] });
  const blob = (text) => ({ data: Buffer.from(text), digest: Digest.of(Buffer.from(text)) });
  for (let first = Number(process.argv[2]); ; first += 20) {
    const numbers = Array.from({ length: 20 }, (_, index) => first + index);
    await store.writeBatch(numbers.map((number) => blob('small ' + number)));
    const large = blob(('large ' + first).padEnd(300_000, '.'));
    await store.write(large.digest, bytesOnce(large.data));
    process.stdout.write(first + '\\n');
  }
`;

describe('A store whose process is killed (D1, D3)', () => {
  it('has every blob that was acknowledged, whole, and nothing half-written', async function () {
    this.timeout(60_000);
    await using folder = await temporaryDirectory();
    const acknowledged: number[] = [];

    for (let round = 0; round < 4; round += 1) {
      const begin = round * 100_000;
      const args = ['--import', 'tsx', '--input-type=module', '-e', writer, folder.path, String(begin)];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        output += String(chunk);
        // A different moment of the writing each time.
        if (output.split('\n').length > 2 + round * 3 && child.kill('SIGKILL')) break;
      }
      if (child.signalCode === null) await once(child, 'exit');
      acknowledged.push(...output.split('\n').slice(0, -1).map(Number));

      await using disk = await DiskBlobStore.open({ path: folder.path });
      const store = new VerifyingBlobStore(disk);
      for (const first of acknowledged) {
        const small = Array.from({ length: 20 }, (_, index) => `small ${first + index}`);
        for (const text of [...small, `large ${first}`.padEnd(300_000, '.')]) {
          assert.equal(String(await readBlob(store, Digest.of(Buffer.from(text)))), text);
        }
      }
      assert.deepEqual(await readdir(join(folder.path, 'tmp')), []);
    }

    assert.ok(acknowledged.length >= 4);
  });
});
