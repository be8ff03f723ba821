import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { UnreachableError } from '../../src/client/call-errors.js';
import { methods } from '../../src/client/method.js';
import { openChannel } from '../../src/client/open-channel.js';
import { hasCode } from '../helpers/has-code.js';
import { ScriptedServer } from '../helpers/scripted-server.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** Something that listens on TCP without being a gRPC server. */
interface Foreign {
  listen(port: number, host: string): unknown;
  address(): AddressInfo | string | null;
  close(): unknown;
  on(event: 'listening', listener: () => void): unknown;
}

describe('openChannel', () => {
  /** What a first call to `url` fails with. */
  async function failureAt(url: string): Promise<StatusError> {
    using channel = await openChannel({ url, callTimeoutMs: 5_000 });
    try {
      await channel.unary(methods.getCapabilities, {});
    } catch (reason) {
      assert.ok(reason instanceof StatusError);
      return reason;
    }
    assert.fail(`${url} answers`);
  }

  async function failureBehind(server: Foreign, scheme = 'grpc'): Promise<{ url: string; failure: StatusError }> {
    const listening = once(server as never, 'listening');
    server.listen(0, '127.0.0.1');
    await listening;
    const url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      return { url, failure: await failureAt(url) };
    } finally {
      server.close();
    }
  }

  it('tells of a refused connection in one sentence that names the URL', async () => {
    const failure = await failureAt('grpc://127.0.0.1:1');

    assert.ok(failure instanceof UnreachableError);
    assert.equal(failure.code, Code.Unavailable);
    assert.equal(failure.message, 'cannot reach grpc://127.0.0.1:1: connection refused; is the server running?');
  });

  it('tells of a host name that nobody knows', async () => {
    const failure = await failureAt('grpc://nowhere.invalid:1');

    assert.equal(failure.message, 'cannot reach grpc://nowhere.invalid:1: the host name is not known');
  });

  it('tells of a socket that is not there', async () => {
    await using folder = await temporaryDirectory();
    const url = `unix:${join(folder.path, 'socket')}`;

    assert.equal(
      (await failureAt(url)).message,
      `cannot reach ${url}: there is no such socket; is the server running?`,
    );
  });

  it('tells of a server that speaks HTTP/1 only', async () => {
    const { url, failure } = await failureBehind(createHttpServer((_request, response) => response.end('hi')));

    assert.equal(failure.code, Code.Unavailable);
    assert.equal(failure.message, `cannot reach ${url}: the server does not speak gRPC, or wants TLS (grpcs://)`);
  });

  it('tells of a server that speaks another protocol', async () => {
    const { failure } = await failureBehind(
      createServer((socket) => socket.end('SSH-2.0\r\n').on('error', () => undefined)),
    );

    assert.match(failure.message, /the server does not speak gRPC/);
  });

  for (const status of [200, 404]) {
    it(`tells of a server that answers HTTP/2 requests with ${status} and no gRPC status`, async () => {
      const sessions = new Set<{ destroy(): void }>();
      const server = createHttp2Server((_request, response) => response.writeHead(status).end('hi'));
      server.on('session', (session) => sessions.add(session));

      const { failure } = await failureBehind(server);
      for (const session of sessions) session.destroy();

      assert.equal(failure.code, Code.Unavailable);
      assert.match(failure.message, /^cannot reach grpc:.*: the server does not speak gRPC/);
    });
  }

  it('tells that TLS is not spoken there', async () => {
    await using server = await ScriptedServer.listen();

    const failure = await failureAt(server.url.replace('grpc://', 'grpcs://').replace('127.0.0.1', 'localhost'));

    assert.match(failure.message, /the server does not speak TLS; is grpc:\/\/ wanted\?/);
  });

  it('speaks through a Unix socket', async () => {
    await using folder = await temporaryDirectory();
    await using server = await ScriptedServer.listen(
      { getCapabilities: () => ({ cacheCapabilities: { maxBatchTotalSizeBytes: 7 } }) },
      { socketPath: join(folder.path, 'socket') },
    );
    using channel = await openChannel({ url: server.url });

    const { cacheCapabilities } = await channel.unary(methods.getCapabilities, {});

    assert.equal(cacheCapabilities?.maxBatchTotalSizeBytes, 7);
  });

  it('connects again after the server has been away', async () => {
    const script = { getCapabilities: () => ({}) };
    const first = await ScriptedServer.listen(script);
    const port = Number(new URL(first.url).port);
    using channel = await openChannel({ url: first.url });
    await channel.unary(methods.getCapabilities, {});
    await first[Symbol.asyncDispose]();

    await assert.rejects(channel.unary(methods.getCapabilities, {}), hasCode(Code.Unavailable));
    await using second = await ScriptedServer.listen(script, { host: '127.0.0.1', port });
    assert.equal(second.url, first.url);

    const giveUpAt = Date.now() + 10_000;
    for (let isBack = false; !isBack;) {
      assert.ok(Date.now() < giveUpAt);
      isBack = await channel.unary(methods.getCapabilities, {}).then(
        () => true,
        () => false,
      );
    }
  });

  it('refuses certificates for a connection that is not encrypted, and half of a pair', async () => {
    const pem = Buffer.from('x');

    await assert.rejects(openChannel({ url: 'grpc://localhost', tls: { serverCert: pem } }), /is not encrypted/);
    await assert.rejects(openChannel({ url: 'grpcs://localhost', tls: { clientKey: pem } }), /both or neither/);
    await assert.rejects(
      openChannel({ url: 'grpcs://localhost', tls: { clientKey: pem, clientCert: pem } }),
      hasCode(Code.InvalidArgument),
    );
  });

  it('refuses an empty token, and one with spaces, without showing it (S6)', async () => {
    await assert.rejects(openChannel({ url: 'grpc://localhost', authToken: ' \n' }), /token is empty/);
    await assert.rejects(openChannel({ url: 'grpc://localhost', authToken: 'my secret' }), (reason) => {
      assert.ok(hasCode(Code.InvalidArgument)(reason));
      assert.doesNotMatch(String(reason), /secret/);
      return true;
    });
  });
});
