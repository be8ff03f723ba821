import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { type ClientHttp2Stream, constants } from 'node:http2';
import { setImmediate as turn } from 'node:timers/promises';
import { Digest } from '../../src/digest/digest.js';
import { readResourceName, writeResourceName } from '../../src/digest/resource-name.js';
import { bytestream } from '../../src/proto/index.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { GrpcLine, framed, messagesOf } from '../helpers/grpc-line.js';
import { TcpCutter } from '../helpers/tcp-cutter.js';

const service = '/google.bytestream.ByteStream';
const partBytes = 256 * 1024;
const pattern = patternedBytes(8 * 1024 * 1024 + 5);

/** One client's upload of one blob. */
class Uploading {
  readonly data: Buffer;
  readonly digest: Digest;
  readonly resourceName: string;

  constructor(data: Buffer, digest: Digest) {
    this.data = data;
    this.digest = digest;
    this.resourceName = writeResourceName('', randomUUID(), digest);
  }

  /** Of a blob that nobody has uploaded yet. */
  static ofNew(): Uploading {
    const data = Buffer.concat([pattern, Buffer.from(randomUUID())]);
    return new Uploading(data, Digest.of(data));
  }

  /** Sends what lies from `offset` to `end`, and waits for nothing. */
  bring(line: GrpcLine, offset: number, end = this.data.length): ClientHttp2Stream {
    const { resourceName } = this;
    const stream = line.open(`${service}/Write`);
    for (let writeOffset = offset; writeOffset < end; writeOffset += partBytes) {
      const data = this.data.subarray(writeOffset, Math.min(end, writeOffset + partBytes));
      const finishWrite = writeOffset + data.length === this.data.length;
      stream.write(framed(bytestream.WriteRequest.encode({ resourceName, writeOffset, data, finishWrite }).finish()));
    }
    return stream;
  }

  async status(line: GrpcLine): Promise<bytestream.QueryWriteStatusResponse> {
    const request = bytestream.QueryWriteStatusRequest.encode({ resourceName: this.resourceName }).finish();
    return bytestream.QueryWriteStatusResponse.decode((await line.call(`${service}/QueryWriteStatus`, request))[0]!);
  }

  /** Resolves as soon as the first bytes have been taken: most of them are still on their way. */
  async hasBegun(line: GrpcLine): Promise<void> {
    while ((await this.status(line)).committedSize === 0) await turn();
  }

  /** Brings the rest from `offset` on; resolves with the size that the server acknowledges. */
  async finish(line: GrpcLine, offset: number): Promise<number> {
    const stream = this.bring(line, offset);
    stream.end();
    return bytestream.WriteResponse.decode((await messagesOf(stream))[0]!).committedSize;
  }

  async assertStored(line: GrpcLine): Promise<void> {
    const stream = line.open(`${service}/Read`);
    stream.end(framed(bytestream.ReadRequest.encode({ resourceName: readResourceName('', this.digest) }).finish()));
    const chunks = (await messagesOf(stream)).map((message) => bytestream.ReadResponse.decode(message).data);
    assert.ok(this.data.equals(Buffer.concat(chunks)));
  }
}

/** How a client leaves an upload. Of the last the server cannot know, and gets all that is on its way. */
const breaks: Readonly<Record<string, (stream: ClientHttp2Stream, line: GrpcLine, cutter: TcpCutter) => void>> = {
  'line is reset': (_stream, _line, cutter) => cutter.cut(),
  'line is closed': (_stream, line) => line[Symbol.dispose](),
  'call is cancelled': (stream) => stream.close(constants.NGHTTP2_CANCEL),
  'line still brings what was sent': () => undefined,
};

describe('An upload that is gone on with at once', function () {
  this.timeout(60_000);
  const rounds = process.env['BGD_LONG'] === undefined ? 6 : 60;
  let site: BgdSite;
  let url: string;

  before(async () => {
    site = await BgdSite.create();
    ({ url } = await site.serve());
  });

  after(() => site[Symbol.asyncDispose]());

  const leavesNothing = async (): Promise<void> => {
    while ((await readdir(site.path('data', 'cas', 'tmp'))).length > 0) await turn();
  };

  for (const [how, leave] of Object.entries(breaks)) {
    it(`goes on where its client is told, when its ${how} (CL-3, BS-8, BS-14)`, async () => {
      for (let round = 0; round < rounds; round += 1) {
        const upload = Uploading.ofNew();
        await using cutter = await TcpCutter.open(url);
        using first = await GrpcLine.connect(cutter.url);
        using second = await GrpcLine.connect(url);
        const left = upload.bring(first, 0, 7 * 1024 * 1024);
        await upload.hasBegun(second);
        leave(left, first, cutter);

        const { committedSize } = await upload.status(second);

        assert.equal(await upload.finish(second, committedSize), upload.data.length);
        await upload.assertStored(second);
      }
      await leavesNothing();
    });
  }

  it('goes on where its client has stopped, without a question, once the bytes have come (BS-8)', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const upload = Uploading.ofNew();
      using first = await GrpcLine.connect(url);
      using second = await GrpcLine.connect(url);
      const middle = 5 * 1024 * 1024;
      upload.bring(first, 0, middle);
      await upload.hasBegun(second);

      assert.equal(await upload.finish(second, middle), upload.data.length);
    }
    await leavesNothing();
  });

  it('is not disturbed by those of others, of the same blob, that break off as well (BS-14)', async () => {
    const { data, digest } = Uploading.ofNew();
    const clients = Array.from({ length: 6 }, async (_, client) => {
      const upload = new Uploading(data, digest);
      await using cutter = await TcpCutter.open(url);
      using line = await GrpcLine.connect(url);
      for (const part of [1, 2, 3, 4, 5, 6, 7]) {
        const { committedSize, complete } = await upload.status(line);
        if (complete) break;
        using broken = await GrpcLine.connect(cutter.url);
        upload.bring(broken, committedSize, Math.min(data.length - 1, committedSize + part * partBytes));
        // Some of the bytes come, and some do not.
        for (let turns = 0; turns < client * part; turns += 1) await turn();
        cutter.cut();
      }
      const { committedSize, complete } = await upload.status(line);
      if (!complete) assert.equal(await upload.finish(line, committedSize), data.length);
      await upload.assertStored(line);
    });

    await Promise.all(clients);

    await leavesNothing();
  });
});
