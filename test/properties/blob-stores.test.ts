import fc from 'fast-check';
import { join } from 'node:path';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { MirroredBlobStore } from '../../src/blobstore/decorators/mirrored-blob-store.js';
import { ReadCachingBlobStore } from '../../src/blobstore/decorators/read-caching-blob-store.js';
import { ShardingBlobStore } from '../../src/blobstore/decorators/sharding-blob-store.js';
import { SizeSplittingBlobStore } from '../../src/blobstore/decorators/size-splitting-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { checkOver, times } from '../helpers/chance.js';
import { FailingBlobStore } from '../helpers/failing-blob-store.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { step } from './blob-steps.js';
import { type Arrangement, BlobWorld, type OpenedStore } from './blob-world.js';

const gibibyte = 1024 ** 3;
const durable = { isDurable: true, keepsWhatWasFound: true, remembersWhatWasFound: true, heals: false } as const;

/** Opens disk stores below `folder`, each verified, and makes a store of them. */
async function onDisks(
  { folder, clock, maxBytes = gibibyte }: { folder: string; clock: FakeClock; maxBytes?: number },
  names: readonly string[],
  compose: (...disks: BlobStore[]) => BlobStore,
): Promise<OpenedStore> {
  const lifecycle = new Lifecycle();
  const disks: BlobStore[] = [];
  for (const name of names) {
    const disk = lifecycle.use(await DiskBlobStore.open({ path: join(folder, name), maxBytes, clock }));
    disks.push(new VerifyingBlobStore(disk));
  }
  return { store: compose(...disks), [Symbol.asyncDispose]: () => lifecycle[Symbol.asyncDispose]() };
}

/** As {@link onDisks}, with `failing` as the part that can be taken away. */
function withOutages(opened: OpenedStore, failing: FailingBlobStore): OpenedStore {
  return Object.assign(opened, { setDown: (isDown: boolean) => (failing.isDown = isDown) });
}

const arrangements: Readonly<Record<string, Arrangement>> = {
  'a disk store with room for all': {
    ...durable,
    fragile: ['disk'],
    open: (folder, clock) => onDisks({ folder, clock }, ['disk'], (disk) => disk),
  },
  'a disk store that is too small': {
    ...durable,
    maxBytes: 2_700_000,
    fragile: ['disk'],
    open: (folder, clock) => onDisks({ folder, clock, maxBytes: 2_700_000 }, ['disk'], (disk) => disk),
  },
  'a memory store that is too small': {
    maxBytes: 2_700_000,
    isDurable: false,
    keepsWhatWasFound: false,
    remembersWhatWasFound: false,
    heals: false,
    open: async () => ({
      store: new VerifyingBlobStore(new MemoryBlobStore({ maxBytes: 2_700_000 })),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  },
  'a disk store behind a cache that comes and goes': {
    ...durable,
    maxBytes: 2_700_000,
    fragile: ['disk'],
    readsWhatIsGone: true,
    open: async (folder, clock) => {
      const cache = new FailingBlobStore(new VerifyingBlobStore(new MemoryBlobStore({ maxBytes: 200_000 })));
      const opened = await onDisks({ folder, clock, maxBytes: 2_700_000 }, ['disk'], (disk) => {
        return new ReadCachingBlobStore(cache, disk);
      });
      return withOutages(opened, cache);
    },
  },
  'disk stores split by size': {
    ...durable,
    fragile: ['small', 'large'],
    open: (folder, clock) =>
      onDisks({ folder, clock }, ['small', 'large'], (small, large) => {
        return new SizeSplittingBlobStore({ small: small, large: large, thresholdBytes: 65_536 });
      }),
  },
  'sharded disk stores': {
    ...durable,
    fragile: ['a', 'b', 'c'],
    open: (folder, clock) =>
      onDisks({ folder, clock }, ['a', 'b', 'c'], (...disks) => {
        return new ShardingBlobStore(disks.map((store, index) => ({ name: String(index), weight: 1 + index, store })));
      }),
  },
  'mirrored disk stores, one of which is damaged and the other comes and goes': {
    ...durable,
    heals: true,
    failsHalfWay: true,
    fragile: ['first'],
    open: async (folder, clock) => {
      let second: FailingBlobStore | undefined;
      const opened = await onDisks({ folder, clock }, ['first', 'second'], (first, other) => {
        second = new FailingBlobStore(other);
        return new MirroredBlobStore(first, second);
      });
      return withOutages(opened, second!);
    },
  },
};

describe('Whatever happens to a BlobStore', function () {
  this.timeout(times(120_000, 3_600_000));

  for (const [name, arrangement] of Object.entries(arrangements)) {
    const isPlain = name.startsWith('a disk store ') && !name.includes('cache');
    const wanted = times(500, isPlain ? 50_000 : 10_000);

    it(`${name} gives back what it has acknowledged, and never anything else (D2, D3, D4)`, async () => {
      await checkOver(wanted, (onStep) =>
        fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }), async (steps) => {
          await using folder = await temporaryDirectory();
          await using world = await BlobWorld.open(arrangement, folder.path, new FakeClock());
          for (const each of steps) {
            await world.take(each);
            onStep();
          }
          await world.finish();
        }),
      );
    });
  }
});
