import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClientWritableStream, credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { silentLogger } from '../../src/common/logger.js';
import { Digest } from '../../src/digest/digest.js';
import { writeResourceName } from '../../src/digest/resource-name.js';
import type { bytestream } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { GrpcServer } from '../../src/server/grpc-server.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const serviceName = 'google.bytestream.ByteStream';
const Client = makeGenericClientConstructor(serviceDefinition(serviceName), serviceName);

type Write = (
  done: (error: ServiceError | null, response?: bytestream.WriteResponse) => void,
) => ClientWritableStream<bytestream.WriteRequest.$Properties>;

/** Nothing of what a client did not finish may be seen, now or after a restart. */
describe('An upload that ends early (D3)', () => {
  const data = patternedBytes(1024 * 1024);
  const digest = Digest.of(data);
  const resourceName = writeResourceName('', 'uuid', digest);
  const pieces = 8;
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let store: DiskBlobStore;
  let server: GrpcServer;
  let client: InstanceType<typeof Client>;

  before(async () => {
    folder = await temporaryDirectory();
    store = await DiskBlobStore.open({ path: folder.path });
    const blobs = new VerifyingBlobStore(store);
    server = await GrpcServer.listen({
      addresses: [{ host: '127.0.0.1', port: 0 }],
      services: { [serviceName]: new ByteStreamService(new InstanceRegistry(new Map([['', { blobs }]]))) },
      logger: silentLogger,
    });
    client = new Client(server.url.replace('grpc://', ''), credentials.createInsecure());
  });

  after(async () => {
    client.close();
    await server[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** Sends the first `count` pieces, then does `then` to the call. Resolves with the code that the client saw. */
  const upload = (
    count: number,
    then: (call: ClientWritableStream<bytestream.WriteRequest.$Properties>) => void,
  ): Promise<number> =>
    new Promise((resolve) => {
      const call = (client['write'] as unknown as Write).call(client, (error) => resolve(error?.code ?? Code.Ok));
      call.on('error', () => undefined);
      const pieceBytes = data.length / pieces;
      for (let piece = 0; piece < count; piece += 1) {
        const writeOffset = piece * pieceBytes;
        const finishWrite = piece === pieces - 1;
        const message = {
          resourceName,
          writeOffset,
          data: data.subarray(writeOffset, writeOffset + pieceBytes),
          finishWrite,
        };
        call.write(message, () => {
          if (piece === count - 1) then(call);
        });
      }
      if (count === 0) then(call);
    });

  const nothingIsLeft = async (): Promise<void> => {
    // The server learns of an abort a moment after the client: its temporary file is gone when its handler is.
    while ((await readdir(join(folder.path, 'tmp'))).length > 0) await new Promise(setImmediate);
    assert.deepEqual(await store.findMissing([digest]), [digest]);
  };

  for (let count = 0; count < pieces; count += 1) {
    it(`leaves nothing when the client aborts after ${count} of ${pieces} messages`, async () => {
      assert.equal(await upload(count, (call) => call.cancel()), Code.Cancelled);

      await nothingIsLeft();
    });

    it(`is INVALID_ARGUMENT and leaves nothing when the client just ends after ${count} messages`, async () => {
      assert.equal(await upload(count, (call) => call.end()), Code.InvalidArgument);

      await nothingIsLeft();
    });
  }

  it('can be made anew right after it was aborted', async () => {
    await upload(3, (call) => call.cancel());

    assert.equal(await upload(pieces, (call) => call.end()), Code.Ok);

    assert.ok(data.equals(await readBlob(store, digest)));
    assert.deepEqual(await readdir(join(folder.path, 'tmp')), []);
  });
});
