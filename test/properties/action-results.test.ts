import { join } from 'node:path';
import fc from 'fast-check';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { ReadCachingBlobStore } from '../../src/blobstore/decorators/read-caching-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { checkOver, times } from '../helpers/chance.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { ResultWorld, blobNames, resultNames } from './result-world.js';

const action = fc.nat(2);
const result = fc.nat(resultNames.length - 1);
const blobs = fc.uniqueArray(fc.nat(blobNames.length - 1), { minLength: 1, maxLength: 6 });

/** What clients may do at the same time. */
const operation = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('upload' as const), blobs }) },
  // As clients do: the outputs, and then the result.
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('store' as const), action, result }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('update' as const), action, result }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('get' as const), action }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), action }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), blobs }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('flood' as const), count: fc.integer({ min: 1, max: 20 }) }) },
);

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('do' as const), operation }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('together' as const),
      operations: fc.array(operation, { minLength: 2, maxLength: 5 }),
    }),
  },
  // Around the half hour for which outputs stay.
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(60_000, 1_000_000, 1_800_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

const behind = (disk: DiskBlobStore): BlobStore =>
  new ReadCachingBlobStore(
    new VerifyingBlobStore(new MemoryBlobStore({ maxBytes: 200_000 })),
    new VerifyingBlobStore(disk),
  );

const arrangements: Readonly<Record<string, (disk: DiskBlobStore) => BlobStore>> = {
  'a disk that is too small': (disk) => new VerifyingBlobStore(disk),
  'a disk that is too small, behind a cache in memory': behind,
};

describe('Whatever happens to results and their outputs (D4, D5, AC-2, CAS-2)', function () {
  this.timeout(times(120_000, 3_600_000));

  for (const [name, compose] of Object.entries(arrangements)) {
    it(`an answer has all of its outputs, which stay for half an hour, on ${name}`, () =>
      checkOver(times(200, 20_000), (onStep) =>
        fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), async (steps) => {
          await using folder = await temporaryDirectory();
          await using world = await ResultWorld.create({
            openBlobs: (clock) => DiskBlobStore.open({ path: join(folder.path, 'cas'), maxBytes: 2_000_000, clock }),
            compose,
            resultsPath: join(folder.path, 'ac'),
          });
          for (const each of steps) {
            await world.take(each);
            onStep();
          }
        }),
      ));
  }
});
