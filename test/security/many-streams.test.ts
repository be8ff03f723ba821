import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Digest } from '../../src/digest/digest.js';
import { longrunning, reapi } from '../../src/proto/index.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { isLong } from '../helpers/chance.js';
import { GrpcLine, framed, messagesOf } from '../helpers/grpc-line.js';

/** One client may wait for very many actions at once: each costs little, and each is told its result once (U4, EX-1). */
describe('A client with thousands of Execute streams', () => {
  const streams = isLong ? 10_000 : 1_000;
  const kibibyte = 1024;
  const { execution, cas } = serviceNames;
  let site: BgdSite;

  beforeEach(async () => {
    site = await BgdSite.create();
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const residentBytes = (pid: number): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * kibibyte;

  function actions(): { readonly digests: readonly Digest[]; readonly blobs: readonly Uint8Array[] } {
    const command = reapi.Command.encode({ arguments: ['true'] }).finish();
    const commandDigest = Digest.of(command).toProto();
    const inputRootDigest = Digest.empty().toProto();
    const encoded = Array.from({ length: streams }, (_, index) =>
      reapi.Action.encode({ commandDigest, inputRootDigest, salt: Buffer.from(String(index)) }).finish(),
    );
    return { digests: encoded.map((action) => Digest.of(action)), blobs: [command, ...encoded] };
  }

  it('waits for all of them at a bounded cost, and is told one result each', async function () {
    this.timeout(180_000);
    const { url, process: server } = await site.serve();
    using line = await GrpcLine.connect(url);
    const { digests, blobs } = actions();
    const requests = blobs.map((data) => ({ digest: Digest.of(data).toProto(), data }));
    await line.call(`/${cas}/BatchUpdateBlobs`, reapi.BatchUpdateBlobsRequest.encode({ requests }).finish());
    const before = residentBytes(server.pid);

    let queued = 0;
    const ended = digests.map(async (digest) => {
      const stream = line.open(`/${execution}/Execute`);
      const queuedNow = new Promise((resolve) => stream.once('response', resolve));
      const messages = messagesOf(stream);
      stream.end(framed(reapi.ExecuteRequest.encode({ actionDigest: digest.toProto() }).finish()));
      await queuedNow;
      queued += 1;
      if (queued === streams) site.bgd(['bot', 'dummy', '--remote', url, '--concurrency', '20']);
      return messages;
    });
    const grown = new Promise<number>((resolve) => {
      const look = setInterval(() => {
        if (queued < streams) return;
        clearInterval(look);
        resolve(residentBytes(server.pid) - before);
      }, 10);
    });

    const grownBytes = await grown;
    for (const messages of await Promise.all(ended)) {
      const done = messages.map((message) => longrunning.Operation.decode(message)).filter((each) => each.done);
      assert.equal(done.length, 1);
    }
    // Besides the streams it has come to work at all: tens of MiB, whatever their number.
    assert.ok(grownBytes < 96 * kibibyte ** 2 + streams * 64 * kibibyte, `${grownBytes} bytes`);
  });
});
