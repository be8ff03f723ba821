import assert from 'node:assert/strict';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Digest } from '../../src/digest/digest.js';
import { leaveOut, needsProgram } from '../helpers/capabilities.js';
import { Dice, tellSeed, times } from '../helpers/chance.js';
import { LoopDisk } from '../helpers/loop-disk.js';
import { StorageSite } from './storage-server.js';
import { strikeAgainAndAgain } from './strikes.js';

const gibibyte = 1024 ** 3;

describe('A server whose power is cut while it is being uploaded to (D1, D2, D3)', function () {
  this.timeout(times(120_000, 3_600_000));

  tellSeed();

  before(async function () {
    const leftOut = 'a server whose power is cut';
    for (const program of ['mkfs.ext4', 'python3']) needsProgram(this, program, leftOut);
    try {
      await using disk = await LoopDisk.create(64 * 1024 * 1024);
      await disk.cutPower();
    } catch (reason) {
      leaveOut(this, 'loop-devices', `${leftOut} (no file system can be mounted: ${String(reason)})`);
    }
  });

  it('has all that it acknowledged, and of all else nothing or all', async () => {
    const dice = new Dice('power');
    await using disk = await LoopDisk.create(2 * gibibyte);
    await strikeAgainAndAgain(new StorageSite(join(disk.path, 'data'), '20G'), dice, {
      count: times(2, 30),
      strike: async (server) => {
        await disk.cutPower();
        // What it still answers must be true.
        await delay(dice.int(0, 200));
        server.kill('SIGKILL');
        await server.ended;
        await disk.powerOn();
      },
      keptBytes: Infinity,
    });
  });

  it('also has what a process left that was killed before it could sync a name, and that was found to be there (D1)', async () => {
    const data = Buffer.alloc(200_000, 'x');
    const digest = Digest.of(data);
    await using disk = await LoopDisk.create(256 * 1024 * 1024);
    const options = { path: join(disk.path, 'data'), maxBytes: 100 * 1024 * 1024 };
    {
      await using store = await DiskBlobStore.open(options);
      const other = Buffer.alloc(200_000, 'y');
      assert.deepEqual(await store.writeBatch([{ digest: Digest.of(other), data: other }]), [undefined]);
    }
    {
      const temporary = join(options.path, 'tmp', 'left');
      await using file = await open(temporary, 'wx', 0o444);
      await file.writeFile(data);
      await file.datasync();
      await rename(temporary, join(options.path, 'sha256', digest.hash.slice(0, 2), `${digest.hash}-200000`));
    }

    const store = await DiskBlobStore.open(options);
    assert.deepEqual(await store.findMissing([digest]), []);
    assert.deepEqual(await store.writeBatch([{ digest, data }]), [undefined]);
    await disk.cutPower();
    await store[Symbol.asyncDispose]();
    await disk.powerOn();

    await using again = await DiskBlobStore.open(options);
    assert.ok(data.equals(await readBlob(again, digest)));
  });
});
