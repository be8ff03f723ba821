import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { FlowWindows, type WindowedSession } from '../../src/server/flow-windows.js';
import { withLargeWindows } from '../../src/server/large-windows.js';
import { until } from '../helpers/until.js';

const mebibyte = 1024 * 1024;

class FakeSession extends EventEmitter implements WindowedSession {
  readonly destroyed = false;
  readonly connectionBytes: number[] = [];
  readonly streamBytes: number[] = [];
  acknowledge: () => void = () => undefined;

  setLocalWindowSize(bytes: number): void {
    this.connectionBytes.push(bytes);
  }

  settings({ initialWindowSize }: { readonly initialWindowSize: number }, acknowledged: () => void): void {
    this.streamBytes.push(initialWindowSize);
    this.acknowledge = acknowledged;
  }
}

describe('FlowWindows', () => {
  const upload = '/google.bytestream.ByteStream/Write';
  let windows: FlowWindows;

  beforeEach(() => {
    windows = new FlowWindows({ uploadPaths: [upload] });
  });

  const connect = (count: number): FakeSession[] =>
    Array.from({ length: count }, () => {
      const session = new FakeSession();
      windows.addSession(session);
      return session;
    });

  const open = (count: number, path = upload): EventEmitter[] =>
    Array.from({ length: count }, () => {
      const stream = new EventEmitter();
      windows.addStream(stream, path);
      return stream;
    });

  const close = (emitters: readonly EventEmitter[]): void => {
    for (const each of emitters) each.emit('close');
  };

  it('gives each connection min(8 MiB, 256 MiB / connections), again as they come and go', () => {
    const few = connect(32);
    assert.ok(few.every(({ connectionBytes }) => connectionBytes.at(-1) === 8 * mebibyte));

    const many = connect(1_000);
    for (const { connectionBytes } of [...few, ...many]) {
      assert.equal(connectionBytes.at(-1), mebibyte / 8);
      assert.ok(1_032 * (connectionBytes.at(-1) ?? 0) <= 256 * mebibyte);
    }

    close(many);
    assert.ok(few.every(({ connectionBytes }) => (connectionBytes.at(-1) ?? 0) >= 4 * mebibyte));
  });

  it('gives each upload its share of 128 MiB, and no less than 64 KiB', () => {
    const [session] = connect(1) as [FakeSession];
    const first = open(16);
    assert.equal(windows.streamBytes, 8 * mebibyte);
    assert.deepEqual(session.streamBytes, []);

    const more = open(112);
    assert.equal(windows.streamBytes, mebibyte);
    const most = open(9_000);
    assert.equal(windows.streamBytes, 64 * 1024);

    close(most);
    close(more);
    assert.ok(windows.streamBytes >= 4 * mebibyte);
    close(first);
    assert.equal(windows.streamBytes, 8 * mebibyte);
  });

  it('counts no other calls', () => {
    open(1_000, '/build.bazel.remote.execution.v2.ContentAddressableStorage/FindMissingBlobs');

    assert.equal(windows.streamBytes, 8 * mebibyte);
  });

  it('does not go to and fro with each upload that comes and goes', () => {
    const [session] = connect(1) as [FakeSession];
    open(16);
    for (let round = 0; round < 10; round += 1) {
      close(open(1));
      session.acknowledge();
    }

    assert.deepEqual(session.streamBytes, [4 * mebibyte]);
  });

  it('tells a client the next size when it has acknowledged the last, and a new client the one of now', () => {
    const [session] = connect(1) as [FakeSession];
    open(128);
    assert.deepEqual(session.streamBytes, [4 * mebibyte]);

    session.acknowledge();
    session.acknowledge();

    assert.deepEqual(session.streamBytes, [4 * mebibyte, mebibyte]);
    const [late] = connect(1) as [FakeSession];
    assert.deepEqual(late.streamBytes, [mebibyte]);
  });

  describe('of a real server', () => {
    let server: http2.Http2Server;
    let client: ClientHttp2Session;
    const received: ServerHttp2Stream[] = [];

    beforeEach(async () => {
      received.length = 0;
      server = await withLargeWindows(
        new FlowWindows({ uploadPaths: [upload], uploadBudgetBytes: 4 * mebibyte }),
        async () => http2.createServer({}),
      );
      server.on('stream', (stream) => {
        // Nobody reads.
        stream.pause();
        stream.on('error', () => undefined);
        received.push(stream);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      await once(client, 'remoteSettings');
    });

    afterEach(() => {
      client.destroy();
      server.close();
    });

    /** Sends for ever. */
    const push = (): ClientHttp2Stream => {
      const stream = client.request({ ':method': 'POST', ':path': upload });
      stream.on('error', () => undefined);
      const chunk = Buffer.alloc(64 * 1024);
      const more = (): void => void stream.write(chunk, (failure) => !failure && more());
      more();
      return stream;
    };

    const heldBytes = (): number => received.reduce((sum, { readableLength }) => sum + readableLength, 0);

    it('bound what uploads that nobody reads have in memory, on one connection too (U4)', async () => {
      for (let count = 1; count <= 64; count += 1) {
        push();
        await until(() => received.length === count);
        await until(() => received.every((stream) => stream.readableLength >= 64 * 1024 - 1));
      }

      await until(() => client.remoteSettings.initialWindowSize === 64 * 1024);
      // Twice the budget, and the least for each.
      assert.ok(heldBytes() <= 16 * mebibyte, `${heldBytes()} bytes are held`);
      assert.ok(received.slice(-16).every(({ readableLength }) => readableLength <= mebibyte));
    });
  });
});
