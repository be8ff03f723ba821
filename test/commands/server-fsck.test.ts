import assert from 'node:assert/strict';
import { readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { Digest } from '../../src/digest/digest.js';
import { DiskKeyedStore } from '../../src/keyedstore/backends/disk-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import type { FsckReport } from '../../src/server/fsck-report.js';
import type { Ended } from '../helpers/bgd-process.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { folderContents } from '../helpers/folder-contents.js';

describe('bgd server fsck', () => {
  const texts = Array.from({ length: 20 }, (_, index) => Buffer.from(`small blob ${index}`));
  const large = Buffer.alloc(300_000, 'large');
  const larger = Buffer.alloc(400_000, 'larger');
  const all = [...texts, large, larger].map((data) => ({ digest: Digest.of(data), data }));
  let site: BgdSite;
  let cas: string;
  let results: string;

  beforeEach(async () => {
    site = await BgdSite.create();
    [cas, results] = [site.path('data', 'cas'), site.path('data', 'action-cache')];
    await using store = await DiskBlobStore.open({ path: cas, maxBytes: 100_000_000 });
    const outcomes = await store.writeBatch(all);
    assert.deepEqual(outcomes.filter(Boolean), []);
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const fsck = (...args: string[]): Promise<Ended> =>
    site.bgd(['server', 'fsck', '--data-dir', site.path('data'), ...args]).ended;

  const fileOf = (data: Buffer): string => {
    const { hash, sizeBytes } = Digest.of(data);
    return join(cas, 'sha256', hash.slice(0, 2), `${hash}-${sizeBytes}`);
  };

  /** What a store's folder says, but for who had it open last: in `uses`, when each blob was used. */
  async function traceIn(path: string): Promise<object> {
    const files = await folderContents(path);
    files.delete('lock');
    files.delete('uses');
    const uses = (await readFile(join(path, 'uses'))).subarray(32);
    const entries = Array.from({ length: uses.length / 20 }, (_, index) =>
      uses.subarray(20 * index, 20 * index + 20).toString('hex'),
    );
    return { files, uses: entries.sort() };
  }

  /** Changes one byte where the text stands in a pack segment. */
  async function rotInPack(text: string): Promise<void> {
    for (const name of await readdir(join(cas, 'packs'))) {
      const path = join(cas, 'packs', name);
      const bytes = await readFile(path);
      const at = bytes.indexOf(text);
      if (name.endsWith('.hint') || at < 0) continue;
      bytes.write('S', at);
      await writeFile(path, bytes);
      return;
    }
    assert.fail(`${text} is in no pack`);
  }

  async function missingOf(blobs: readonly Buffer[]): Promise<readonly string[]> {
    await using store = await DiskBlobStore.open({ path: cas, maxBytes: 100_000_000 });
    const missing = await store.findMissing(blobs.map((data) => Digest.of(data)));
    return missing.map(String);
  }

  it('finds nothing wrong with good blobs', async () => {
    const { code, stdout, stderr } = await fsck();

    assert.deepEqual([code, stdout, stderr], [0, `${cas}: 22 blobs (684 KiB) checked, none damaged\n`, '']);
  });

  it('names every damaged blob and what is wrong with it, and leaves no trace', async () => {
    await rotInPack('small blob 7');
    await writeFile(fileOf(large), Buffer.alloc(300_000, 'LARGE'));
    await truncate(fileOf(larger), 1_000);
    const before = await traceIn(cas);

    const { code, stdout } = await fsck();

    const lines = stdout.trimEnd().split('\n').sort();
    const hashOf = (data: Buffer): string => Digest.of(data).hash;
    assert.equal(code, 1);
    assert.deepEqual(
      lines,
      [
        `${cas}: 22 blobs (684 KiB) checked, 3 damaged`,
        `${cas}: ${hashOf(Buffer.from('small blob 7'))}/12: its bytes hash to ${hashOf(Buffer.from('Small blob 7'))}`,
        `${cas}: ${hashOf(large)}/300000: its bytes hash to ${hashOf(Buffer.alloc(300_000, 'LARGE'))}`,
        `${cas}: ${hashOf(larger)}/400000: its file has 1000 bytes`,
      ].sort(),
    );
    assert.deepEqual(await traceIn(cas), before);
  });

  it('puts damaged blobs aside with --repair, so that they are missing, and is content afterwards', async () => {
    await rotInPack('small blob 7');
    await writeFile(fileOf(large), Buffer.alloc(300_000, 'LARGE'));

    const first = await fsck('--repair', '--json');
    const second = await fsck('--json');

    const [packed, file] = [Buffer.from('small blob 7'), large].map((data) => Digest.of(data));
    const report = JSON.parse(first.stdout) as FsckReport;
    assert.deepEqual([first.code, report.isRepaired, report.findings.length], [1, true, 2]);
    assert.deepEqual(report.blobs, [{ folder: cas, blobs: 22, sizeBytes: 700_250, damaged: 2 }]);
    assert.deepEqual([second.code, (JSON.parse(second.stdout) as FsckReport).findings], [0, []]);
    const missing = await missingOf(all.map(({ data }) => data));
    assert.deepEqual([...missing].sort(), [packed, file].map(String).sort());
    assert.equal((await readdir(join(cas, 'quarantine'))).length, 2);
  });

  it('checks action results with --action-cache, and removes useless ones with --repair', async () => {
    const actions = ['good', 'incomplete', 'undecodable', 'rotten'].map((name) => Digest.of(Buffer.from(name)));
    const [good, incomplete, undecodable, rotten] = actions as [Digest, Digest, Digest, Digest];
    {
      await using values = await DiskKeyedStore.open({ path: results });
      const cache = new KeyedActionCache(values);
      const result = (data: Buffer): reapi.ActionResult =>
        reapi.ActionResult.create({ stdoutDigest: Digest.of(data).toProto() });
      await cache.update(good, result(large));
      await cache.update(incomplete, result(Buffer.from('gone')));
      await cache.update(rotten, result(large));
      await values.put(`ac/${undecodable.key}`, Buffer.from('no message'));
    }
    for (const path of (await folderContents(results)).keys()) {
      const file = join(results, path);
      const bytes = path.startsWith('values/') ? await readFile(file).catch(() => undefined) : undefined;
      if (bytes?.includes(rotten.hash)) await writeFile(file, Buffer.concat([bytes, Buffer.from('x')]));
    }

    const first = await fsck('--action-cache');
    const second = await fsck('--action-cache', '--repair', '--json');
    const third = await fsck('--action-cache', '--json');

    assert.equal(first.code, 1);
    assert.match(first.stdout, /action-cache: ac\/sha256\/[0-9a-f]+-11: .*ActionResult/);
    assert.match(first.stdout, /action-cache: [0-9a-f]{64}: its file is damaged/);
    assert.match(first.stdout, /action-cache: 4 action results checked, 2 damaged, 1 without all of their outputs\n$/);
    const repaired = JSON.parse(second.stdout) as FsckReport;
    assert.deepEqual(repaired.results, [{ folder: results, results: 4, damaged: 2, incomplete: 1 }]);
    const left = JSON.parse(third.stdout) as FsckReport;
    assert.deepEqual([third.code, left.results], [0, [{ folder: results, results: 1, damaged: 0, incomplete: 0 }]]);
  });

  it('refuses while a server has the folder, and says which process it is', async () => {
    const server = await site.serve();

    const { code, stderr } = await fsck();

    assert.equal(code, 2);
    assert.match(
      stderr,
      new RegExp(`^Error: Folder ${cas} is in use by process ${server.process.pid}: stop it[^\\n]*\\n$`),
    );
  });

  it('exits with 2 where there is nothing that it could check', async () => {
    const memory = await site.write(
      'memory.yml',
      'server: [!channel {port: 0}]\ninstances: [{name: a, services: [!cas {storage: !lru-storage {size: 1M}}]}]\n',
    );

    const none = await fsck(memory);
    const absent = await site.bgd(['server', 'fsck', '--data-dir', site.path('other')]).ended;

    assert.deepEqual([none.code, absent.code], [2, 2]);
    assert.match(none.stderr, /^Error: The configuration has no !disk-storage[^\n]*\n$/);
    assert.match(absent.stderr, /^Error: There is no folder .*other\/cas: nothing has been stored yet[^\n]*\n$/);
  });
});
