import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type Http2Server,
  type ServerHttp2Stream,
  connect,
  constants,
  createServer,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { silentLogger } from '../../src/common/logger.js';
import { GrpcServer } from '../../src/server/grpc-server.js';
import type { CallContext } from '../../src/services/call-context.js';
import { UnreadAnswers } from '../../src/services/unread-answers.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { framed } from '../helpers/grpc-line.js';
import { until } from '../helpers/until.js';

describe('An answer that its client does not take', () => {
  const mebibyte = 1024 * 1024;
  const stopped = { settings: { initialWindowSize: 0 } };
  const path = '/google.bytestream.ByteStream/QueryWriteStatus';
  let clock: FakeClock;
  let client: ClientHttp2Session | undefined;

  beforeEach(() => {
    clock = new FakeClock();
  });

  afterEach(() => {
    client?.destroy();
    client = undefined;
  });

  describe('over HTTP/2', () => {
    let server: Http2Server;

    beforeEach(async () => {
      server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      client = connect(`http://127.0.0.1:${port}`, stopped);
      client.on('error', () => undefined);
    });

    afterEach(async () => {
      client?.destroy();
      await new Promise((resolve) => server.close(resolve));
    });

    /** Has the server answer the next request with so many bytes. Returns the streams of both sides. */
    const answer = async (
      sizeBytes: number,
    ): Promise<{ sent: ServerHttp2Stream; asked: ReturnType<ClientHttp2Session['request']> }> => {
      const streams = once(server, 'stream');
      const asked = client!.request({ ':method': 'POST' }, { endStream: true });
      asked.on('error', () => undefined);
      const [sent] = (await streams) as [ServerHttp2Stream];
      sent.on('error', () => undefined);
      sent.respond();
      sent.end(Buffer.alloc(sizeBytes));
      return { sent, asked };
    };

    it('is waited for until it is taken', async () => {
      const unread = new UnreadAnswers({ clock });
      const { sent, asked } = await answer(mebibyte);

      const taken = unread.watch({ call: { stream: sent } });

      assert.equal(unread.bytes, mebibyte);
      client!.settings({ initialWindowSize: 2 * mebibyte });
      asked.resume();
      await taken;
      assert.equal(unread.bytes, 0);
      assert.equal(sent.rstCode, constants.NGHTTP2_NO_ERROR);
      assert.equal(clock.sleepers, 0);
    });

    it('is not waited for for ever, and is cut off after a minute', async () => {
      const unread = new UnreadAnswers({ clock });
      const { sent, asked } = await answer(mebibyte);
      const taken = unread.watch({ call: { stream: sent } });

      clock.advance(5_000);
      await taken;
      assert.equal(unread.bytes, mebibyte);
      assert.ok(!sent.closed);
      clock.advance(55_000);

      await until(() => asked.closed);
      assert.equal(asked.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
      await until(() => unread.bytes === 0);
      assert.equal(clock.sleepers, 0);
    });

    it('is cut off when there is too much that has not waited as long', async () => {
      const unread = new UnreadAnswers({ clock, maxBytes: 3.5 * mebibyte });
      const answers: ReturnType<ClientHttp2Session['request']>[] = [];
      for (let index = 0; index < 5; index += 1) {
        const { sent, asked } = await answer(mebibyte);
        void unread.watch({ call: { stream: sent } });
        answers.push(asked);
      }

      await until(() => answers.filter(({ closed }) => closed).length === 2);

      assert.deepEqual(
        answers.map(({ closed }) => closed),
        [true, true, false, false, false],
      );
      assert.equal(unread.bytes, 3 * mebibyte);
    });

    it('is not looked at if it is small, or if it has been taken', async () => {
      const unread = new UnreadAnswers({ clock });
      const { sent } = await answer(1024);

      assert.equal(unread.watch({ call: { stream: sent } }), undefined);
      assert.equal(unread.watch({}), undefined);
      assert.equal(unread.bytes, 0);
    });
  });

  it('keeps what its call has taken for it for a while (U4)', async () => {
    let hasEnded = false;
    const answers = async (_request: unknown, context: CallContext): Promise<Buffer> => {
      context.onTermination(() => (hasEnded = true));
      return Promise.resolve(Buffer.alloc(mebibyte));
    };
    const unused = { read: answers, write: answers, queryWriteStatus: answers };
    await using server = await GrpcServer.listen({
      addresses: [{ host: '127.0.0.1', port: 0 }],
      services: { 'google.bytestream.ByteStream': { ...unused, raw: { queryWriteStatus: answers } } },
      logger: silentLogger,
      stopGraceMs: 0,
      clock,
    });
    client = connect(server.url.replace('grpc:', 'http:'), stopped);
    client.on('error', () => undefined);
    const stream = client.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    stream.end(framed(Buffer.alloc(0)));
    await once(stream, 'response');
    assert.ok(!hasEnded);

    client.settings({ initialWindowSize: 2 * mebibyte });
    stream.resume();
    await once(stream, 'end');

    await until(() => hasEnded);
  });
});
