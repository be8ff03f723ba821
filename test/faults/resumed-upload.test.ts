import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import type { ClientHttp2Stream } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { Digest } from '../../src/digest/digest.js';
import { readResourceName, writeResourceName } from '../../src/digest/resource-name.js';
import { bytestream } from '../../src/proto/index.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { GrpcLine, framed, messagesOf } from '../helpers/grpc-line.js';

describe('An upload whose connection is lost', () => {
  const data = patternedBytes(8 * 1024 * 1024 + 5);
  const digest = Digest.of(data);
  const resourceName = writeResourceName('', 'b2a7c0de-0000-4000-8000-000000000000', digest);
  const partBytes = 256 * 1024;
  const service = '/google.bytestream.ByteStream';
  let site: BgdSite;

  beforeEach(async () => {
    site = await BgdSite.create();
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const start = async (): ReturnType<BgdSite['serve']> => {
    const config = await site.write(
      'cas.yml',
      `
server: [!channel { address: 127.0.0.1, port: 0 }]
instances:
  - name: ''
    services:
      - !cas { storage: &cas !disk-storage { path: !expand-path '\${BGD_DATA_DIR}/cas', size: 1G } }
      - !bytestream { storage: *cas }
`,
    );
    return site.serve([config]);
  };

  const committed = async (line: GrpcLine): Promise<bytestream.QueryWriteStatusResponse> => {
    const request = bytestream.QueryWriteStatusRequest.encode({ resourceName }).finish();
    return bytestream.QueryWriteStatusResponse.decode((await line.call(`${service}/QueryWriteStatus`, request))[0]!);
  };

  /** Begins at `offset`, and resolves once the server has all up to `end`. */
  const send = async (line: GrpcLine, offset: number, end: number): Promise<ClientHttp2Stream> => {
    const stream = line.open(`${service}/Write`);
    for (let writeOffset = offset; writeOffset < end; writeOffset += partBytes) {
      const part = data.subarray(writeOffset, Math.min(end, writeOffset + partBytes));
      const finishWrite = writeOffset + part.length === data.length;
      stream.write(
        framed(bytestream.WriteRequest.encode({ resourceName, writeOffset, data: part, finishWrite }).finish()),
      );
    }
    if (end < data.length) while ((await committed(line)).committedSize < end) await delay(5);
    return stream;
  };

  it('goes on over another one (BS-14, BS-15)', async () => {
    const server = await start();
    const middle = 5 * 1024 * 1024;
    const first = await GrpcLine.connect(server.url);
    await send(first, 0, middle);
    first[Symbol.dispose]();

    using second = await GrpcLine.connect(server.url);
    assert.equal((await committed(second)).committedSize, middle);
    const stream = await send(second, middle, data.length);
    stream.end();

    assert.equal(bytestream.WriteResponse.decode((await messagesOf(stream))[0]!).committedSize, data.length);
    const read = second.open(`${service}/Read`);
    read.end(framed(bytestream.ReadRequest.encode({ resourceName: readResourceName('', digest) }).finish()));
    const chunks = (await messagesOf(read)).map((message) => bytestream.ReadResponse.decode(message).data);
    assert.ok(data.equals(Buffer.concat(chunks)));
    assert.deepEqual(await readdir(site.path('data', 'cas', 'tmp')), []);
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`leaves nothing to a server that is started again after ${signal} (D3)`, async () => {
      const server = await start();
      const line = await GrpcLine.connect(server.url);
      await send(line, 0, 5 * 1024 * 1024);
      line[Symbol.dispose]();
      server.process.kill(signal);
      await server.process.ended;

      const again = await start();
      using other = await GrpcLine.connect(again.url);

      assert.equal((await committed(other)).committedSize, 0);
      assert.deepEqual(await readdir(site.path('data', 'cas', 'tmp')), []);
    });
  }
});
