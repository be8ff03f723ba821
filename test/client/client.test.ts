import assert from 'node:assert/strict';
import { Client } from '../../src/client/client.js';
import { ExecutionClient } from '../../src/client/execution-client.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { hasCode } from '../helpers/has-code.js';
import { ScriptedServer, type Script } from '../helpers/scripted-server.js';

describe('Client', () => {
  const names: string[] = [];
  const note = ({ instanceName }: { instanceName: string }): object => {
    names.push(instanceName);
    return {};
  };
  const script: Script = { findMissingBlobs: note, getActionResult: note, getCapabilities: note };
  const digest = Digest.of(Buffer.from('x'));

  beforeEach(() => {
    names.length = 0;
  });

  it('speaks to one server for one instance', async () => {
    await using server = await ScriptedServer.listen(script);
    await using client = await Client.connect({ url: server.url, instanceName: 'a/b' });

    await client.blobs.findMissing([digest]);
    await client.actionCache.get(digest);
    await client.capabilities.get();

    assert.deepEqual(names, ['a/b', 'a/b', 'a/b']);
    assert.ok(client.execution instanceof ExecutionClient);
  });

  it('speaks to another server for blobs, if told so', async () => {
    await using main = await ScriptedServer.listen(script);
    await using cas = await ScriptedServer.listen(script);
    await using client = await Client.connect({ url: main.url, casUrl: cas.url });

    await client.blobs.findMissing([digest]);
    await client.actionCache.get(digest);

    assert.deepEqual(main.calls, ['getActionResult']);
    assert.deepEqual(cas.calls, ['findMissingBlobs']);
    assert.deepEqual(names, ['', '']);
  });

  it('closes its connections when it is disposed of', async () => {
    await using server = await ScriptedServer.listen(script);
    const client = await Client.connect({ url: server.url });
    await client.capabilities.get();

    await client[Symbol.asyncDispose]();

    await assert.rejects(client.capabilities.get(), /is closed/);
  });

  it('connects to nothing before the first call', async () => {
    await using client = await Client.connect({ url: 'grpc://127.0.0.1:1', casUrl: 'grpc://127.0.0.1:2' });

    await assert.rejects(client.capabilities.get(), /cannot reach grpc:\/\/127\.0\.0\.1:1: connection refused/);
    await assert.rejects(client.blobs.findMissing([digest]), /cannot reach grpc:\/\/127\.0\.0\.1:2:/);
  });

  it('refuses URLs and instance names that cannot be right', async () => {
    await assert.rejects(Client.connect({ url: 'ftp://x' }), hasCode(Code.InvalidArgument));
    await assert.rejects(Client.connect({ url: 'grpc://x', casUrl: 'ftp://x' }), hasCode(Code.InvalidArgument));
    await assert.rejects(Client.connect({ url: 'grpc://x', instanceName: 'a/blobs' }), hasCode(Code.InvalidArgument));
  });

  it('uses certificates only where the connection is encrypted', async () => {
    const tls = { serverCert: Buffer.from('not looked at before the first call') };

    await assert.rejects(Client.connect({ url: 'grpc://x', tls }), /is not encrypted/);
    await assert.rejects(Client.connect({ url: 'grpc://x', casUrl: 'grpc://y', casTls: tls }), /is not encrypted/);
    await using client = await Client.connect({ url: 'grpcs://x', tls, casUrl: 'grpc://y' }).catch(
      (reason: unknown) => {
        assert.match(String(reason), /cannot be used/);
        return Client.connect({ url: 'grpcs://x', casUrl: 'grpc://y' });
      },
    );
    assert.ok(client);
  });
});
