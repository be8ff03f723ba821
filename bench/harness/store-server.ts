import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Digest } from '../../src/digest/digest.js';

// Serves the blobs of a disk store by bare http2: GET /HASH-SIZE. GET /open/SIZE opens the store anew with a budget, so that
// eviction begins in a process that is warm; GET /stats tells of it.

const path = process.argv[2]!;
let store = await DiskBlobStore.open({ path, maxBytes: Number(process.argv[3]) });

async function answer(target: string): Promise<string | Uint8Array> {
  if (target === 'stats') return JSON.stringify(await store.stats());
  if (!target.startsWith('open/')) return readBlob(store, Digest.parse(target));
  await store[Symbol.asyncDispose]();
  store = await DiskBlobStore.open({ path, maxBytes: Number(target.slice(5)) });
  return '';
}

const server = createServer();
server.on('stream', (stream, headers) => {
  answer((headers[':path'] ?? '').slice(1)).then(
    (body) => {
      stream.respond({ ':status': 200 });
      stream.end(body);
    },
    () => stream.destroy(),
  );
});
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`));
process.on('SIGTERM', () => process.exit(0));
