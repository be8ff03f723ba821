import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Client } from '../../src/client/client.js';
import { bytesOnce } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { type BgdProcess, runBgd } from '../helpers/bgd-process.js';
import { leaveOut, needsProgram } from '../helpers/capabilities.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { StorageSite } from './storage-server.js';

const run = promisify(execFile);
const mebibyte = 1024 * 1024;

interface Blob {
  readonly digest: Digest;
  readonly data: Buffer;
}

const blobOf = (sizeBytes: number, letter: string): Blob => {
  const data = Buffer.alloc(sizeBytes, letter);
  return { digest: Digest.of(data), data };
};

/** One that is a file of its own, and one that lies in a pack, before and after the trouble. */
const earlier = [blobOf(200_000, 'a'), blobOf(500, 'b')] as const;
const later = [blobOf(2 * mebibyte, 'c'), blobOf(60_000, 'd')] as const;
const actionOf = (letter: string): Digest => Digest.of(Buffer.from(`action ${letter}`));
const result = reapi.ActionResult.create({ stdoutDigest: earlier[1].digest.toProto() });

/** Refusals are to be seen, not overcome. */
const noRetries = { maxAttempts: 1, initialDelayMs: 1, maxDelayMs: 1 };

/** How a server with a real disk behaves while the disk is in trouble, and after it. */
describe('A server whose disk is in trouble (U5, D3)', function () {
  this.timeout(120_000);
  let lifecycle: Lifecycle;
  let disk: string;
  let server: BgdProcess;
  let client: Client;

  before(function () {
    if (process.getuid?.() !== 0) leaveOut(this, 'root', 'a server whose disk is in trouble (mounting needs root)');
  });

  beforeEach(() => (lifecycle = new Lifecycle()));

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  async function mountDisk(size: string): Promise<void> {
    disk = join(lifecycle.use(await temporaryDirectory()).path, 'disk');
    await mkdir(disk);
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]);
    lifecycle.defer(() => run('umount', ['--lazy', disk]));
  }

  /** Starts a server on the disk that has the blobs of earlier. */
  async function serve(): Promise<void> {
    const site = new StorageSite(join(disk, 'data'), '1G');
    server = lifecycle.use(await site.launch());
    client = lifecycle.use(await Client.connect({ url: await site.served(server), retryPolicy: noRetries }));
    for (const { digest, data } of earlier) await client.blobs.write(digest, bytesOnce(data));
    await client.actionCache.update(actionOf('before'), result);
  }

  async function failureOf(doing: Promise<unknown>): Promise<StatusError> {
    const failure: unknown = await doing.then(
      () => assert.fail('It was accepted'),
      (reason: unknown) => reason,
    );
    assert.ok(failure instanceof StatusError, String(failure));
    return failure;
  }

  /** Streamed, in a batch, and as a result. */
  async function refusals(): Promise<readonly StatusError[]> {
    const [large, small] = later;
    const failures = [await failureOf(client.blobs.write(large.digest, bytesOnce(large.data)))];
    const [outcome] = await client.blobs.writeBatch([small]);
    assert.ok(outcome, 'A small blob was accepted');
    failures.push(outcome);
    return failures;
  }

  async function assertReadable(blobs: readonly Blob[]): Promise<void> {
    for (const { digest, data } of blobs) assert.ok(data.equals(await readBlob(client.blobs, digest)));
    assert.ok(await client.actionCache.get(actionOf('before')));
  }

  /** Nothing is there of what was refused; later everything can be stored. */
  async function assertHeals(): Promise<void> {
    for (const { digest, data } of later) {
      await until(async () => {
        const [outcome] = await client.blobs.writeBatch([{ digest, data }]);
        return outcome === undefined;
      });
    }
    await client.actionCache.update(actionOf('after'), result);
    await assertReadable([...earlier, ...later]);
    assert.ok(await client.actionCache.get(actionOf('after')));
  }

  /** The server looks at its disk again after a second or so. */
  async function until(isDone: () => Promise<boolean>): Promise<void> {
    const over = Date.now() + 20_000;
    while (!(await isDone())) assert.ok(Date.now() < over, 'It does not heal');
  }

  function assertLoggedOnce(pattern: RegExp): void {
    const lines = server.stderr.split('\n').filter((line) => pattern.test(line));
    assert.equal(lines.length, 1, server.stderr);
  }

  it('refuses what finds no room, reads on, and takes it when there is room again', async () => {
    await mountDisk('16m');
    await serve();
    await writeFile(join(disk, 'filler'), Buffer.alloc(20 * mebibyte)).catch(() => undefined);

    for (const { code, message } of await refusals()) {
      assert.equal(code, Code.ResourceExhausted, message);
      assert.match(message, /room|space|full/i);
    }
    assert.equal((await client.blobs.findMissing(later.map(({ digest }) => digest))).length, 2);
    await assertReadable(earlier);

    await rm(join(disk, 'filler'));
    await assertHeals();
    assertLoggedOnce(/Blobs cannot be stored/);
  });

  it('refuses what it cannot make a file for on a disk that has become read-only, reads on, and heals', async () => {
    await mountDisk('64m');
    await serve();
    const folder = join(disk, 'data');
    // What is open for writing stays so: a disk that others mount read-only does as much.
    await run('mount', ['--bind', folder, folder]);
    await run('mount', ['-o', 'remount,bind,ro', folder]);
    // The server may still have a file of it open.
    lifecycle.defer(() => run('umount', ['--lazy', folder]));
    const [large] = later;

    for (let count = 0; count < 3; count += 1) {
      const { code, message } = await failureOf(client.blobs.write(large.digest, bytesOnce(large.data)));
      assert.equal(code, Code.Unavailable, message);
      assert.match(message, /read-only file system/i);
    }
    assert.equal((await client.blobs.findMissing([large.digest])).length, 1);
    await assertReadable(earlier);

    await run('mount', ['-o', 'remount,bind,rw', folder]);
    await assertHeals();
    assertLoggedOnce(/Blobs cannot be stored/);
  });

  it('does not start on a read-only folder, and says why', async () => {
    await mountDisk('64m');
    const site = new StorageSite(join(disk, 'data'), '1G');
    const first = lifecycle.use(await site.launch());
    await site.served(first);
    first.kill('SIGTERM');
    assert.equal((await first.ended).code, 0);
    await run('mount', ['-o', 'remount,ro', disk]);

    const config = join(disk, 'data', 'bgd.yml');
    const { code, stderr } = await runBgd(['server', 'start', config], { home: disk });

    assert.notEqual(code, 0);
    assert.match(stderr, /^Error: .*read-only file system/im);
  });

  it('refuses what a failing disk has not taken, reads on, and heals', async function () {
    needsProgram(this, 'strace', 'a server whose disk fails');
    await mountDisk('64m');
    await serve();
    const tracer = spawn(
      'strace',
      [
        '-f',
        '-p',
        String(server.pid),
        '-e',
        'trace=fdatasync,fsync',
        '-e',
        'inject=fdatasync,fsync:error=EIO',
        '-o',
        '/dev/null',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const ended = once(tracer, 'close');
    lifecycle.defer(async () => {
      tracer.kill('SIGINT');
      await ended;
    });
    await once(tracer.stderr, 'data');

    for (const { code, message } of await refusals()) {
      assert.equal(code, Code.Unavailable, message);
      assert.match(message, /i\/o error/i);
    }
    assert.equal((await client.blobs.findMissing(later.map(({ digest }) => digest))).length, 2);
    await assertReadable(earlier);

    tracer.kill('SIGINT');
    await ended;
    await assertHeals();
    assertLoggedOnce(/Blobs cannot be stored/);
  });
});
