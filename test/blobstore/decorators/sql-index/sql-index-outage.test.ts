import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../../../src/blobstore/backends/memory-blob-store.js';
import { BlobNotFoundError } from '../../../../src/blobstore/blob-store.js';
import { SqlIndexBlobStore } from '../../../../src/blobstore/decorators/sql-index/sql-index-blob-store.js';
import { readBlob } from '../../../../src/blobstore/read-blob.js';
import { Code } from '../../../../src/common/code.js';
import { Lifecycle } from '../../../../src/common/lifecycle.js';
import { Digest } from '../../../../src/digest/digest.js';
import { openDatabase } from '../../../../src/sql/open-database.js';
import { chunks } from '../../../helpers/chunks.js';
import { hasCode } from '../../../helpers/has-code.js';
import { IndexTable } from '../../../helpers/index-table.js';
import { PostgresServer } from '../../../helpers/postgres.js';
import { RecordingLogger } from '../../../helpers/recording-logger.js';

describe('SqlIndexBlobStore whose database goes away', function () {
  this.timeout(60_000);
  const hello = Digest.of(Buffer.from('hello'));
  const other = Digest.of(Buffer.from('other'));
  const lifecycle = new Lifecycle();
  const logger = new RecordingLogger();
  const memory = new MemoryBlobStore();
  let server: PostgresServer;
  let store: SqlIndexBlobStore;
  let table: IndexTable;

  before(async () => {
    server = lifecycle.use(await PostgresServer.start());
    const database = lifecycle.use(await openDatabase(await server.createDatabase(), { logger }));
    store = await SqlIndexBlobStore.open(memory, { database, logger });
    table = await IndexTable.of(database);
    await store.write(hello, chunks('hello'));
    await table.age(undefined, 3_600_000);
    await server.kill();
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  it('goes on to give what the storage has, and to say what it has not', async () => {
    assert.equal(String(await readBlob(store, hello)), 'hello');
    await assert.rejects(readBlob(store, other), BlobNotFoundError);
  });

  it('refuses to say what is missing, and to store anything, with UNAVAILABLE (U5)', async () => {
    await assert.rejects(store.findMissing([hello]), hasCode(Code.Unavailable));
    await assert.rejects(store.write(other, chunks('other')), hasCode(Code.Unavailable));
    await assert.rejects(store.writeBatch([{ digest: other, data: Buffer.from('other') }]), hasCode(Code.Unavailable));
    await assert.rejects(store.delete([hello]), hasCode(Code.Unavailable));

    assert.deepEqual(await memory.findMissing([hello, other]), [other]);
  });

  it('goes on as before once it is back', async () => {
    await server.start();

    assert.deepEqual(await store.findMissing([hello, other]), [other]);
    await store.write(other, chunks('other'));
    assert.deepEqual(await store.findMissing([hello, other]), []);
    await store[Symbol.asyncDispose]();
    const away = logger.lines.filter(({ message }) => message === 'A service that stores depend on fails');
    assert.deepEqual(new Set(away.map(({ fields }) => fields['service'])).size, away.length);
  });
});
