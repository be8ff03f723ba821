import assert from 'node:assert/strict';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { Digest } from '../../src/digest/digest.js';
import type { ImportReport } from '../../src/server/run-import.js';
import type { Ended } from '../helpers/bgd-process.js';
import { BgdSite } from '../helpers/bgd-site.js';

describe('bgd server import', () => {
  const small = Buffer.from('small blob');
  const large = Buffer.alloc(300_000, 'large');
  let site: BgdSite;

  beforeEach(async () => {
    site = await BgdSite.create();
    for (const data of [small, large]) await put(Digest.of(data), data);
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const put = ({ hash }: Digest, data: Buffer): Promise<string> =>
    site.write(`buildgrid/cas/objects/${hash.slice(0, 2)}/${hash.slice(2)}`, String(data));
  const run = (...args: string[]): Promise<Ended> =>
    site.bgd(['server', 'import', '--from', site.path('buildgrid'), '--data-dir', site.path('data'), ...args]).ended;

  it('takes the blobs of a BuildGrid over, and says how many', async () => {
    const { code, stdout, stderr } = await run();

    const cas = site.path('data', 'cas');
    assert.deepEqual([code, stdout, stderr], [0, `${cas}: 2 blobs (293 KiB) imported\n`, '']);
    await using store = await DiskBlobStore.open({ path: cas });
    assert.deepEqual(await store.findMissing([small, large].map((data) => Digest.of(data))), []);
  });

  it('names damaged ones, which are exit code 1, and tells all as JSON', async () => {
    await put(Digest.of(small), Buffer.from('rotten'));
    const { hash } = Digest.of(small);

    const text = await run();
    const json = await run('--json');

    assert.equal(text.code, 1);
    assert.match(text.stdout, new RegExp(`${hash.slice(2)}: .*hashes to`));
    assert.equal(json.code, 1);
    const { blobs, present, damaged } = JSON.parse(json.stdout) as ImportReport;
    assert.deepEqual([blobs, present, damaged], [0, 1, 1]);
  });

  it('says when a storage is too small for all', async () => {
    const config = await site.write(
      'small.yml',
      `server: [!channel {port: 0}]\ninstances: [{name: '', services: [!cas {storage: !disk-storage {path: ${site.path('small')}, size: 1M}}]}]\n`,
    );
    for (let number = 0; number < 15; number += 1) {
      const data = Buffer.alloc(100_000, `blob ${number}`);
      await put(Digest.of(data), data);
    }

    const { code, stderr } = await run(config);

    assert.equal(code, 0);
    assert.match(stderr, /too small for all: \d blobs? had to go again/);
  });

  it('refuses a folder that a server has open', async () => {
    const store = await DiskBlobStore.open({ path: site.path('data', 'cas') });

    const { code, stderr } = await run();
    await store[Symbol.asyncDispose]();

    assert.equal(code, 2);
    assert.match(stderr, /in use by process \d+: stop it/);
  });

  it('wants to know which storage is meant, if there are several', async () => {
    const [one, two] = [site.path('one'), site.path('two')];
    const storage = (path: string): string => `!disk-storage {path: ${path}}`;
    const config = await site.write(
      'two.yml',
      `server: [!channel {port: 0}]\ninstances: [{name: '', services: [!cas {storage: !mirrored-storage {first: ${storage(one)}, second: ${storage(two)}}}]}]\n`,
    );

    const unclear = await run(config);
    const clear = await run('--into', two, config);

    assert.equal(unclear.code, 2);
    assert.match(unclear.stderr, /one, .*two: say by --into which one of them is meant/);
    assert.deepEqual([clear.code, clear.stderr], [0, '']);
  });
});
