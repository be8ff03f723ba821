import assert from 'node:assert/strict';
import { once } from 'node:events';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { bytesOnce } from '../../src/common/async-iteration.js';
import { Digest } from '../../src/digest/digest.js';
import { readResourceName } from '../../src/digest/resource-name.js';
import { bytestream } from '../../src/proto/index.js';
import { listenCas } from '../helpers/cas-server.js';
import { GrpcLine, framed, messagesOf } from '../helpers/grpc-line.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const path = '/google.bytestream.ByteStream/Read';

/** The memory of chunks is used again: what one reader is sent must not change because another has left (D2). */
describe('Reads of which many are broken off', () => {
  it('give everybody else the right bytes', async function () {
    this.timeout(60_000);
    await using folder = await temporaryDirectory();
    await using disk = await DiskBlobStore.open({ path: folder.path });
    const blobs = Array.from({ length: 6 }, (_, index) => {
      const data = Buffer.alloc(3_500_000 + index, index + 1);
      return { data, digest: Digest.of(data) };
    });
    for (const { digest, data } of blobs) await disk.write(digest, bytesOnce(data));
    await using server = await listenCas(disk);
    const lines = await Promise.all(Array.from({ length: 4 }, () => GrpcLine.connect(server.url)));

    const read = async (reader: number): Promise<void> => {
      const { digest, data } = blobs[reader % blobs.length]!;
      const stream = lines[reader % lines.length]!.open(path);
      stream.end(framed(bytestream.ReadRequest.encode({ resourceName: readResourceName('', digest) }).finish()));
      if (reader % 3 !== 0) {
        // Somewhere in the middle of a chunk, and of different ones.
        for (let left = (reader * 7_919) % 2_500_000; left > 0;) {
          const [part] = (await once(stream, 'data')) as [Buffer];
          left -= part.length;
        }
        stream.destroy();
        return;
      }
      const parts = (await messagesOf(stream)).map((message) => bytestream.ReadResponse.decode(message).data);
      assert.ok(data.equals(Buffer.concat(parts)), `reader ${reader} got other bytes`);
    };

    for (let round = 0; round < 5; round += 1) {
      await Promise.all(Array.from({ length: 24 }, (_, index) => read(round * 24 + index)));
    }

    for (const line of lines) line[Symbol.dispose]();
  });
});
