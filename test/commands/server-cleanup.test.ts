import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { silentLogger } from '../../src/common/logger.js';
import { openDatabase } from '../../src/sql/open-database.js';
import type { Ended } from '../helpers/bgd-process.js';
import { BgdSite, freePort } from '../helpers/bgd-site.js';
import { Fauxqs } from '../helpers/fauxqs.js';
import { IndexTable } from '../helpers/index-table.js';
import { PostgresServer } from '../helpers/postgres.js';

const hour = 3_600_000;
const mebibyte = 2 ** 20;

describe('bgd server cleanup', function () {
  this.timeout(120_000);
  const lifecycle = new Lifecycle();
  let fauxqs: Fauxqs;
  let site: BgdSite;

  before(async () => {
    fauxqs = await Fauxqs.start();
  });

  after(() => fauxqs[Symbol.asyncDispose]());

  beforeEach(async () => {
    site = lifecycle.use(await BgdSite.create());
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };

  function configOf(bucket: string, connectionString: string): string {
    return `server: [!channel {port: 0, address: 127.0.0.1, insecure-mode: true}]
instances:
  - name: ''
    storages:
      - !sql-index &cas
        connection-string: ${connectionString}
        storage: !s3-storage {bucket: ${bucket}, endpoint: '${fauxqs.endpoint}'}
    services: [!cas {storage: *cas}, !bytestream {storage: *cas}]
`;
  }

  const cleanup = (...args: string[]): Promise<Ended> => site.bgd(['server', 'cleanup', ...args], environment).ended;

  /** Lets all blobs be used last so many hours ago. */
  async function age(connectionString: string, hours: number): Promise<void> {
    await using database = await openDatabase(connectionString, { logger: silentLogger });
    await (await IndexTable.of(database)).age(undefined, hours * hour);
  }

  /** Uploads files of 1 MiB each. */
  async function upload(url: string, ...names: string[]): Promise<void> {
    for (const name of names) await site.write(name, name.repeat(mebibyte / name.length));
    const { code, stderr } = await site.bgd(['cas', 'upload-file', '--remote', url, ...names]).ended;
    assert.equal(code, 0, stderr);
  }

  it('cleans up beside a server that goes on, on PostgreSQL', async () => {
    await fauxqs.createBucket('busy');
    const database = await (await PostgresServer.shared()).createDatabase();
    const file = await site.write('bgd.yml', configOf('busy', database));
    const { url } = await site.serve([file], environment);
    await upload(url, 'old1', 'old2', 'old3');
    await age(database, 2);
    await upload(url, 'new1', 'new2');

    const dry = await cleanup(file, '--high', '4M', '--low', '3M', '--dry-run');
    assert.deepEqual(
      [dry.code, dry.stdout, dry.stderr],
      [0, '!s3-storage busy: 5 blobs (5.0 MiB) before, 2 blobs (2.0 MiB) would be removed, 3.0 MiB left\n', ''],
    );
    assert.equal((await fauxqs.objects('busy')).size, 5);

    const wet = await cleanup(file, '--high-watermark', '4M', '--low-watermark', '1M', '--json');
    assert.deepEqual(JSON.parse(wet.stdout), [
      {
        storage: '!s3-storage busy',
        before: { blobs: 5, sizeBytes: 5 * mebibyte },
        removed: { blobs: 3, sizeBytes: 3 * mebibyte },
        isShort: true,
      },
    ]);
    assert.equal(wet.stderr, '');
    assert.equal((await fauxqs.objects('busy')).size, 2);

    await upload(url, 'old1', 'new1');
    assert.equal((await fauxqs.objects('busy')).size, 3);

    const none = await cleanup(file, '--high-watermark', '1M');
    assert.deepEqual(
      [none.code, none.stdout, none.stderr],
      [
        0,
        '!s3-storage busy: 3 blobs (3.0 MiB) before, none removed\n',
        '!s3-storage busy: what is left above the low watermark was used lately\n',
      ],
    );
  });

  it('cleans up while no server runs, on SQLite, by the name that BuildGrid has for it', async () => {
    await fauxqs.createBucket('idle');
    const database = `sqlite:///${join(site.home, 'index.db')}`;
    const file = await site.write('bgd.yml', configOf('idle', database));
    const { process, url } = await site.serve([file], environment);
    await upload(url, 'old1', 'old2', 'old3');

    const refused = await cleanup(file, '--high-watermark', '1M');
    assert.deepEqual([refused.code, refused.stdout], [2, '']);
    assert.match(refused.stderr, /^Error: Cannot open the database .*index\.db: it is in use by another process/);
    process.kill('SIGTERM');
    await process.ended;
    await age(database, 2);
    const { code, stdout } = await site.bgd(['cleanup', '--high-watermark', '2M', file], environment).ended;

    assert.deepEqual(
      [code, stdout],
      [0, '!s3-storage idle: 3 blobs (3.0 MiB) before, 2 blobs (2.0 MiB) removed, 1.0 MiB left\n'],
    );
    assert.equal((await fauxqs.objects('idle')).size, 1);
  });

  it('goes on until it is stopped, which is a good end', async () => {
    await fauxqs.createBucket('daemon');
    const database = await (await PostgresServer.shared()).createDatabase();
    const file = await site.write('bgd.yml', configOf('daemon', database));

    const args = ['server', 'cleanup', file, '--high-watermark', '1M', '--sleep-interval', '0.01'];
    const running = site.bgd(args, environment);
    await running.output('stdout', /(?:0 blobs \(0 B\) before, none removed\n[^]*){3}/);
    running.kill('SIGTERM');

    const { code, stderr } = await running.ended;
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('fills an index that was lost from what the bucket lists, and cleans up only when that is safe', async () => {
    await fauxqs.createBucket('lost');
    const postgres = await PostgresServer.shared();
    const file = await site.write('bgd.yml', configOf('lost', await postgres.createDatabase()));
    const { process, url } = await site.serve([file], environment);
    await upload(url, 'one', 'two');
    process.kill('SIGTERM');
    await process.ended;
    await fauxqs.put('lost', 'keyed/other-things', Buffer.from('not a blob'));
    await site.write('bgd.yml', configOf('lost', await postgres.createDatabase()));

    const first = await cleanup(file, '--refill');
    const second = await cleanup(file, '--refill', '--json');
    const third = await cleanup(file, '--high-watermark', '0');

    assert.deepEqual(
      [first.code, first.stdout],
      [0, '!s3-storage lost: 2 blobs listed, 2 of them added to the index\n'],
    );
    assert.deepEqual(JSON.parse(second.stdout), [{ storage: '!s3-storage lost', listed: 2, added: 0 }]);
    assert.deepEqual([third.code, third.stdout], [1, '']);
    assert.match(third.stderr, /^Error: The index was refilled a short while ago.*: clean up in 3[45] minutes$/m);
  });

  it('exits with 2 for what cannot be, and says what is wanted', async () => {
    const file = await site.write('bgd.yml', configOf('any', 'sqlite:///index.db'));
    const plain = await site.write(
      'plain.yml',
      "server: [!channel {port: 0}]\ninstances: [{name: '', services: [!cas {storage: !lru-storage {size: 1M}}]}]\n",
    );

    const remote = await site.write(
      'remote.yml',
      configOf('any', 'sqlite:///index.db').replace(
        /!s3-storage .*/,
        "!remote-storage {url: 'http://cas:50051', instance-name: ''}",
      ),
    );

    for (const [args, wanted] of [
      [[file], /--high-watermark is missing/],
      [[file, '--high', '1G', '--low', '2G'], /--low-watermark is above --high-watermark/],
      [[file, '--high', 'much'], /"much" is not a size/],
      [[file, '--high', '1G', '--only-if-unused-for', '3Y'], /"3Y" is no time: .*12H/],
      [[file, '--high', '1G', '--refill'], /--refill/],
      [[plain, '--high', '1G'], /has no !sql-index/],
      [[remote, '--high', '1G'], /cannot be removed from here: clean up where http:\/\/cas:50051 keeps them/],
      [['nowhere.yml', '--high', '1G'], /no configuration file nowhere\.yml/],
    ] as const) {
      const { code, stderr, stdout } = await cleanup(...args);

      assert.deepEqual([code, stdout], [2, ''], stderr);
      assert.match(stderr, wanted);
    }
  });

  it('exits with 4 where the database cannot be reached, without telling its password (S6)', async () => {
    const file = await site.write(
      'bgd.yml',
      configOf('any', `postgresql://bgd:hunter2@127.0.0.1:${await freePort()}/bgd`),
    );

    const { code, stderr } = await cleanup(file, '--high', '1G');

    assert.equal(code, 4);
    assert.match(stderr, /^Error: PostgreSQL at 127\.0\.0\.1:\d+\/bgd cannot be reached \(connect ECONNREFUSED/);
    assert.doesNotMatch(stderr, /hunter2/);
  });
});
