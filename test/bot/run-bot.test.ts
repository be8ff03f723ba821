import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { runBot, type BotOptions } from '../../src/bot/run-bot.js';
import { Code } from '../../src/common/code.js';
import { silentLogger } from '../../src/common/logger.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA256 } from '../../src/digest/digest-function.js';
import { unpackAny } from '../../src/proto/any.js';
import { reapi, rwapi } from '../../src/proto/index.js';
import type { GrpcServer } from '../../src/server/grpc-server.js';
import { chunks } from '../helpers/chunks.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { LeaseDealer } from './lease-dealer.js';

describe('runBot', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let blobs: MemoryBlobStore;
  let server: GrpcServer | undefined;
  let drain: AbortController;
  let cancel: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    blobs = new MemoryBlobStore();
    drain = new AbortController();
    cancel = new AbortController();
    running = Promise.resolve();
  });

  afterEach(async () => {
    cancel.abort();
    await running.catch(() => undefined);
    await server?.[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  async function serve(bots: LeaseDealer, port = 0): Promise<GrpcServer> {
    server = await bots.listen(blobs, port);
    return server;
  }

  async function startBot(url: string, options: Partial<BotOptions> = {}): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      running = runBot(
        {
          client: { url, instanceName: 'main' },
          concurrency: 1,
          workFolder: join(folder.path, 'work'),
          properties: [],
          onConnected: resolve,
          ...options,
        },
        silentLogger,
        { drain: drain.signal, cancel: cancel.signal },
      );
      running.catch(reject);
    });
  }

  async function store(data: string | Uint8Array): Promise<Digest> {
    const digest = Digest.of(Buffer.from(data));
    await blobs.write(digest, chunks(data));
    return digest;
  }

  async function actionOf(script: string, files: readonly string[] = []): Promise<Digest> {
    const command = {
      arguments: ['sh', '-c', script],
      environmentVariables: [{ name: 'PATH', value: '/usr/bin:/bin' }],
      outputPaths: ['out'],
    };
    const nodes = [];
    for (const name of files) nodes.push({ name, digest: (await store(name)).toProto() });
    const action = {
      commandDigest: (await store(reapi.Command.encode(command).finish())).toProto(),
      inputRootDigest: (await store(reapi.Directory.encode({ files: nodes }).finish())).toProto(),
    };
    return store(reapi.Action.encode(action).finish());
  }

  async function untilReported(bots: LeaseDealer, count: number): Promise<reapi.ActionResult[]> {
    while (bots.reports.size < count) await delay(10);
    const name = 'build.bazel.remote.execution.v2.ActionResult';
    return [...bots.reports.values()].map(({ status, result }) => {
      assert.equal(status?.code, Code.Ok, status?.message ?? '');
      return unpackAny(name, reapi.ActionResult, result)!;
    });
  }

  it('works off leases over a real connection, from staging to report', async () => {
    const bots = new LeaseDealer();
    const { url } = await serve(bots);
    const names = Array.from({ length: 300 }, (_, index) => `file-${index}`);
    bots.offer('a', await actionOf('cat * | sha256sum; head -c 300000 /dev/zero > out', names));
    await startBot(url);

    const [result] = await untilReported(bots, 1);

    const output = Digest.fromProto(result?.outputFiles[0]?.digest, SHA256);
    assert.ok(output.equals(Digest.of(Buffer.alloc(300_000))));
    assert.deepEqual(await readBlob(blobs, output), Buffer.alloc(300_000));
    const printed = String(await readBlob(blobs, Digest.fromProto(result?.stdoutDigest, SHA256)));
    assert.equal(printed.slice(0, 64), SHA256.hash(Buffer.from(names.sort().join(''))));
  });

  it('has a session a slot, and works in all of them at once', async () => {
    const bots = new LeaseDealer();
    const { url } = await serve(bots);
    const gate = join(folder.path, 'gate');
    for (const id of ['a', 'b', 'c']) {
      bots.offer(id, await actionOf(`echo > ${folder.path}/at-${id}; until [ -e ${gate} ]; do sleep 0.02; done`));
    }
    await startBot(url, { concurrency: 3 });
    while (!['a', 'b', 'c'].every((id) => existsSync(join(folder.path, `at-${id}`)))) await delay(10);
    await writeFile(gate, '');

    await untilReported(bots, 3);

    const ids = bots.botIds;
    assert.equal(ids.length, 3);
    const [, name = ''] = /^(main\..+\.[0-9a-f]{8})\/1$/.exec(ids[0]!) ?? [];
    assert.deepEqual(ids, [`${name}/1`, `${name}/2`, `${name}/3`]);
  });

  it('keeps its command while the server restarts, and reports it afterwards', async () => {
    const bots = new LeaseDealer();
    const first = await serve(bots);
    const gate = join(folder.path, 'gate');
    bots.offer(
      'a',
      await actionOf(`echo > ${folder.path}/started; until [ -e ${gate} ]; do sleep 0.02; done; echo x > out`),
    );
    await startBot(first.url);
    while (!existsSync(join(folder.path, 'started'))) await delay(10);

    await first[Symbol.asyncDispose]();
    await writeFile(gate, '');
    await delay(200);
    await serve(bots, Number(new URL(first.url).port));

    const [result] = await untilReported(bots, 1);
    assert.equal(result?.outputFiles.length, 1);
    assert.equal(bots.botIds.length, 1);
  });

  it('drains: it finishes, reports, says goodbye, and leaves nothing in its folder', async () => {
    const bots = new LeaseDealer();
    const { url } = await serve(bots);
    bots.offer('a', await actionOf(`echo > ${folder.path}/started; sleep 0.3; echo x > out`));
    await startBot(url);
    while (!existsSync(join(folder.path, 'started'))) await delay(10);

    drain.abort();
    await running;

    assert.equal((await untilReported(bots, 1))[0]?.outputFiles.length, 1);
    assert.equal(bots.statuses.at(-1), rwapi.BotStatus.BOT_TERMINATING);
    assert.deepEqual(await readdir(join(folder.path, 'work/attempts')), []);
  });

  it('is cancelled at once: the lease goes back, and no process and folder stays', async () => {
    const bots = new LeaseDealer();
    const { url } = await serve(bots);
    bots.offer('a', await actionOf(`sleep 600 & echo $! > ${folder.path}/started; wait`));
    await startBot(url);
    while (!existsSync(join(folder.path, 'started'))) await delay(10);

    cancel.abort();
    await running;

    assert.equal(bots.reports.get('a')?.status?.code, Code.Unavailable);
    assert.deepEqual(await readdir(join(folder.path, 'work/attempts')), []);
  });

  it('is rejected, with all its sessions, when the server refuses it', async () => {
    const { url } = await serve(new LeaseDealer(new StatusError(Code.InvalidArgument, 'No such instance')));

    await assert.rejects(startBot(url, { concurrency: 2 }), {
      code: Code.InvalidArgument,
      message: 'No such instance',
    });
  });
});
