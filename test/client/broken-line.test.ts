import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { openChannel } from '../../src/client/open-channel.js';
import { RemoteBlobStore } from '../../src/client/remote-blob-store.js';
import { SeekableContent } from '../../src/client/seekable-content.js';
import { Digest } from '../../src/digest/digest.js';
import { PartialUploads } from '../../src/services/partial-uploads.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { listenCas } from '../helpers/cas-server.js';

/** A TCP line to `url` on which every connection is reset after so many bytes have come down, or gone up. */
async function cutLine(url: string, limits: readonly { down?: number; up?: number }[]) {
  const port = Number(new URL(url).port);
  const sockets = new Set<Socket>();
  let connections = 0;
  let upBytes = 0;
  const line = createServer((client) => {
    const { down = Infinity, up = Infinity } = limits[connections] ?? {};
    connections += 1;
    const server = connect(port, '127.0.0.1');
    const cut = (): void => {
      client.resetAndDestroy();
      server.destroy();
    };
    const left = { down, up };
    const relay = (from: Socket, to: Socket, way: 'down' | 'up'): void => {
      sockets.add(from);
      from.on('error', cut).on('close', cut);
      from.on('data', (bytes: Buffer) => {
        left[way] -= bytes.length;
        if (way === 'up') upBytes += bytes.length;
        if (left[way] < 0) cut();
        else if (!to.write(bytes)) from.pause();
      });
      to.on('drain', () => from.resume());
    };
    relay(client, server, 'up');
    relay(server, client, 'down');
  });
  line.listen(0, '127.0.0.1');
  await once(line, 'listening');
  return {
    url: `grpc://127.0.0.1:${(line.address() as AddressInfo).port}`,
    connections: (): number => connections,
    upBytes: (): number => upBytes,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => line.close(resolve));
    },
  };
}

describe('RemoteBlobStore on a line that is cut again and again', () => {
  const data = patternedBytes(12 * 1024 * 1024);
  const digest = Digest.of(data);
  const retryPolicy = { maxAttempts: 20, initialDelayMs: 10, maxDelayMs: 100 };

  it('reads a blob to its end (CL-3)', async () => {
    const backend = new MemoryBlobStore();
    await backend.writeBatch([{ digest, data }]);
    await using server = await listenCas(backend);
    await using line = await cutLine(server.url, [{ down: 5_000_000 }, { down: 3_000_000 }, { down: 1_000 }]);
    using channel = await openChannel({ url: line.url });
    const store = new RemoteBlobStore({ channel, instanceName: '', retryPolicy });

    assert.ok(data.equals(await readBlob(store, digest)));

    assert.equal(line.connections(), 4);
  });

  it('writes a blob to its end (CL-3)', async () => {
    const backend = new MemoryBlobStore();
    await using server = await listenCas(backend);
    await using line = await cutLine(server.url, [{ up: 5_000_000 }, { up: 3_000_000 }]);
    using channel = await openChannel({ url: line.url });
    const store = new RemoteBlobStore({ channel, instanceName: '', retryPolicy });

    await store.write(digest, new SeekableContent({ digest, data }));

    assert.ok(data.equals(await readBlob(backend, digest)));
    assert.equal(line.connections(), 3);
  });

  it('sends a server that has kept a part only the rest (CL-3, BS-15)', async () => {
    const backend = new MemoryBlobStore();
    await using partialUploads = new PartialUploads();
    await using server = await listenCas(backend, partialUploads);
    await using line = await cutLine(server.url, [{ up: 8_000_000 }, { up: 4_000_000 }]);
    using channel = await openChannel({ url: line.url });
    const store = new RemoteBlobStore({ channel, instanceName: '', retryPolicy });

    await store.write(digest, new SeekableContent({ digest, data }));

    assert.ok(data.equals(await readBlob(backend, digest)));
    // What was on the wire when it was cut is sent twice.
    assert.ok(line.upBytes() < 1.5 * data.length, `${line.upBytes()} bytes were sent`);
  });
});
