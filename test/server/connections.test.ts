import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { silentLogger } from '../../src/common/logger.js';
import { GrpcServer } from '../../src/server/grpc-server.js';

/** What begins a connection of HTTP/2: the preface and a SETTINGS frame that sets nothing. */
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

/** The type of a frame that asks whether the other side is there. */
const pingType = 6;

describe('The connections of a server (RT-3, U1)', () => {
  let server: GrpcServer;
  let session: ClientHttp2Session | undefined;

  beforeEach(async () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    const addresses = [{ host: '127.0.0.1', port: 0 }];
    server = await GrpcServer.listen({ addresses, services: {}, logger: silentLogger });
  });

  afterEach(async () => {
    mock.timers.reset();
    session?.destroy();
    await server[Symbol.asyncDispose]();
  });

  async function open(): Promise<ClientHttp2Session> {
    session = connectHttp2(server.url.replace('grpc:', 'http:'));
    session.on('error', () => undefined);
    await once(session, 'remoteSettings');
    return session;
  }

  /** Asks the other side, which answers after all that it has said and heard before. */
  const ping = (line: ClientHttp2Session): Promise<unknown> =>
    promisify((done: (error: Error | null) => void) => void line.ping((error) => done(error)))();

  /** Resolves when both sides have dealt with all that was said, answers of the client included. */
  async function settled(line: ClientHttp2Session): Promise<void> {
    await ping(line);
    await ping(line);
  }

  it('may be asked by their clients whether they are there, however often and without any call', async () => {
    const line = await open();
    let isRefused = false;
    line.on('goaway', () => (isRefused = true));

    for (let count = 0; count < 100; count += 1) await ping(line);

    assert.deepEqual([isRefused, line.closed, line.destroyed], [false, false, false]);
  });

  it('are asked every 20 s whether the client is there', async () => {
    const line = await open();
    let asked = 0;
    line.on('ping', () => (asked += 1));

    mock.timers.tick(19_999);
    await ping(line);
    assert.equal(asked, 0);
    mock.timers.tick(1);
    await settled(line);

    assert.equal(asked, 1);
    mock.timers.tick(10_000);
    await ping(line);
    assert.equal(line.destroyed, false);
  });

  it('are given up when a client has not answered for 10 s', async () => {
    const { port } = new URL(server.url.replace('grpc:', 'http:'));
    const socket = connectTcp(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    let received = Buffer.alloc(0);
    socket.on('data', (part: Buffer) => (received = Buffer.concat([received, part])));
    socket.write(preface);
    await once(socket, 'data');

    mock.timers.tick(20_000);
    while (!frameTypes(received).includes(pingType)) await once(socket, 'data');
    mock.timers.tick(10_000);

    await once(socket, 'close');
  });

  it('are asked to end after about half an hour, without haste for the calls on them', async () => {
    const line = await open();
    let code: number | undefined;
    const asked = new Promise<void>((resolve) => {
      line.once('goaway', (given: number) => {
        code = given;
        resolve();
      });
    });
    const call = line.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Watch',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    call.end(Buffer.alloc(5));
    call.on('error', () => undefined);
    await once(call, 'data');
    const more = once(call, 'data');

    let passedMs = 0;
    for (; code === undefined && passedMs < 40 * 60_000; passedMs += 10_000) {
      mock.timers.tick(10_000);
      // Of a connection that is to end nothing can be asked any more.
      await Promise.race([asked, settled(line).catch(() => asked)]);
    }

    assert.equal(code, 0);
    assert.ok(Math.abs(passedMs - 30 * 60_000) <= 3.2 * 60_000, `after ${passedMs} ms`);
    // Nor does a later look whether the client is there end it.
    for (let minutes = 0; minutes < 9; minutes += 1) {
      mock.timers.tick(60_000);
      await turn();
    }
    // The stopping server says so on the call that is still open.
    mock.timers.reset();
    void server[Symbol.asyncDispose]();
    await more;
  });
});

function frameTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes[at + 3]!);
  return types;
}
