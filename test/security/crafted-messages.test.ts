import assert from 'node:assert/strict';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { Code } from '../../src/common/code.js';
import { decodeMessage } from '../../src/proto/any.js';
import { health, reapi } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { maxFields } from '../../src/proto/bounded-reader.js';
import { parseOperationFilter } from '../../src/scheduler/operation-filter.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { maxBatchEntries } from '../../src/services/limits.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { listenCas } from '../helpers/cas-server.js';
import { hasCode } from '../helpers/has-code.js';

/** Messages that are small on the wire, and would take the memory or the time of the whole server (U4). */
describe('A message that is made to do harm', () => {
  describe('with millions of entries that say nothing', () => {
    const service = new ContentAddressableStorageService(
      new InstanceRegistry(new Map(), { blobs: new MemoryBlobStore() }),
    );
    const nothings = (): Record<string, never>[] => new Array<Record<string, never>>(maxBatchEntries + 1).fill({});

    it('is refused as a batch to read', async () => {
      const request = reapi.BatchReadBlobsRequest.create({ digests: nothings() });

      await assert.rejects(service.batchReadBlobs(request, fakeCallContext()), hasCode(Code.InvalidArgument));
    });

    it('is refused as a batch to write', async () => {
      const request = reapi.BatchUpdateBlobsRequest.create({ requests: nothings() });

      await assert.rejects(service.batchUpdateBlobs(request, fakeCallContext()), hasCode(Code.InvalidArgument));
    });

    // Field 2, no bytes: a Directory of a Tree, or a Digest of a request.
    const nested = Buffer.alloc(2 * (maxFields + 1), Buffer.from([0x12, 0]));

    it('is not decoded as a Tree', () => {
      assert.throws(() => decodeMessage('a Tree', reapi.Tree, nested), hasCode(Code.InvalidArgument));
    });

    it('is not decoded as a request', () => {
      const { FindMissingBlobs } = originals('build.bazel.remote.execution.v2.ContentAddressableStorage');

      assert.throws(() => FindMissingBlobs?.requestDeserialize(nested), /more than 2000000 fields/);
    });
  });

  it('may have a filter with a megabyte of blanks', () => {
    const blanks = ' '.repeat(1024 * 1024);

    const [condition] = parseOperationFilter(`${blanks}target_id${blanks}=${blanks}a${blanks}b${blanks}`);

    assert.equal(condition?.value, `a${blanks}b`);
  });

  it('may have no filter with more conditions than a database takes', () => {
    const filter = new Array<string>(101).fill('target_id=a').join('&');

    assert.throws(() => parseOperationFilter(filter), hasCode(Code.InvalidArgument));
  });

  for (const [what, letter] of [
    ['ASCII', 'a'],
    ['others', '\u{1f4a9}'],
  ] as const) {
    it(`gets an answer, although it is named in the error, with a megabyte of ${what}`, async () => {
      await using server = await listenCas(new MemoryBlobStore());
      const client = new Client(server.url.replace('grpc://', ''), credentials.createInsecure());
      const request = { service: letter.repeat(1024 * 1024) };

      const error = await new Promise<ServiceError | null>((resolve) => {
        const path = '/grpc.health.v1.Health/Check';
        const encode = (message: object): Buffer => Buffer.from(health.HealthCheckRequest.encode(message).finish());
        const decode = (bytes: Buffer): object => health.HealthCheckResponse.decode(bytes);
        client.makeUnaryRequest(path, encode, decode, request, { deadline: Date.now() + 5_000 }, resolve);
      });
      client.close();

      assert.equal(error?.code, Code.NotFound);
      assert.match(error.details, /^Service "/);
    });
  }
});

/** The methods of a service by their names in the proto. */
function originals(name: string) {
  const methods = Object.entries(serviceDefinition(name));
  return Object.fromEntries(methods.map(([lower, method]) => [lower.charAt(0).toUpperCase() + lower.slice(1), method]));
}
