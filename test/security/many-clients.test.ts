import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { ClientHttp2Stream } from 'node:http2';
import { Digest } from '../../src/digest/digest.js';
import { readResourceName, writeResourceName } from '../../src/digest/resource-name.js';
import { bytestream, reapi } from '../../src/proto/index.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { GrpcLine, framed, messagesOf } from '../helpers/grpc-line.js';

/** Whatever clients do, the memory of a server stays bounded, and nobody else has to wait for them (U4). */
describe('A server with many clients at once', () => {
  const mebibyte = 1024 * 1024;
  const { byteStream, cas } = serviceNames;
  let site: BgdSite;
  let url: string;
  let pid: number;
  let lines: GrpcLine[];

  beforeEach(async () => {
    site = await BgdSite.create();
    const server = await site.serve();
    url = server.url;
    pid = server.process.pid;
    lines = [];
  });

  afterEach(async () => {
    for (const line of lines) line[Symbol.dispose]();
    await site[Symbol.asyncDispose]();
  });

  const connect = async (): Promise<GrpcLine> => {
    const line = await GrpcLine.connect(url);
    lines.push(line);
    return line;
  };

  /** Most of the server's memory that was in RAM since {@link forgetPeak}. */
  const peakBytes = (): number =>
    Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

  const forgetPeak = (): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

  it('reads for some while hundreds of others have stopped taking what they asked for', async function () {
    this.timeout(60_000);
    const data = patternedBytes(16 * mebibyte);
    const digest = Digest.of(data);
    const request = bytestream.ReadRequest.encode({ resourceName: readResourceName('', digest) }).finish();
    const line = await connect();
    const upload = line.open(`/${byteStream}/Write`);
    const resourceName = writeResourceName('', 'uuid', digest);
    for (let writeOffset = 0; writeOffset < data.length; writeOffset += mebibyte) {
      const part = data.subarray(writeOffset, writeOffset + mebibyte);
      const finishWrite = writeOffset + mebibyte === data.length;
      const message = { resourceName, writeOffset, data: part, finishWrite };
      upload.write(framed(bytestream.WriteRequest.encode(message).finish()));
    }
    upload.end();
    await messagesOf(upload);
    const bytesRead = async (reader: GrpcLine): Promise<number> => {
      const messages = await reader.call(`/${byteStream}/Read`, request);
      return messages.reduce((sum, message) => sum + bytestream.ReadResponse.decode(message).data.length, 0);
    };
    assert.equal(await bytesRead(line), data.length);

    forgetPeak();
    const stopped: ClientHttp2Stream[] = [];
    for (let count = 0; count < 4; count += 1) {
      const lazy = await connect();
      for (let reader = 0; reader < 200; reader += 1) {
        const stream = lazy.open(`/${byteStream}/Read`);
        stream.end(framed(request));
        stopped.push(stream);
      }
    }
    // Each has begun to come, and nobody takes it.
    await Promise.all(stopped.map((stream) => once(stream, 'readable')));
    const quick = await Promise.all(Array.from({ length: 4 }, async () => bytesRead(await connect())));

    assert.deepEqual(quick, Array(4).fill(data.length));
    // Two chunks of 1 MiB for each would be 1,600 MiB.
    assert.ok(peakBytes() < 700 * mebibyte, `${Math.round(peakBytes() / mebibyte)} MiB were in use`);
  });

  it('takes batches of 4 MiB from dozens of them', async function () {
    this.timeout(60_000);
    const batch = (client: number): Uint8Array => {
      const requests = Array.from({ length: 60 }, (_, index) => {
        const data = Buffer.alloc(64 * 1024, `${client}/${index} `);
        return { digest: Digest.of(data).toProto(), data };
      });
      return reapi.BatchUpdateBlobsRequest.encode({ requests }).finish();
    };

    forgetPeak();
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, client) =>
        (await connect()).call(`/${cas}/BatchUpdateBlobs`, batch(client)),
      ),
    );

    for (const [answer] of answers) {
      const { responses } = reapi.BatchUpdateBlobsResponse.decode(answer!);
      assert.deepEqual(new Set(responses.map(({ status }) => status?.code ?? 0)), new Set([0]));
    }
    assert.ok(peakBytes() < 800 * mebibyte, `${Math.round(peakBytes() / mebibyte)} MiB were in use`);
  });
});
