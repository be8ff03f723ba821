import { randomBytes } from 'node:crypto';
import type { BlobStore } from '../src/blobstore/blob-store.js';
import { readBlob } from '../src/blobstore/read-blob.js';
import { Client } from '../src/client/client.js';
import { bytesOnce, inParts } from '../src/common/async-iteration.js';
import { Digest } from '../src/digest/digest.js';
import { median, seconds } from './harness/report.js';

// What each storage is worth to a client: real servers that run the files of docs/examples, with the real services behind them, all
// on this machine, called by the client library. Arguments: names of examples (all that keep blobs).

const all = ['cache', 'default', 'redis', 's3', 's3-cached', 's3-indexed', 'storage', 'proxy', 'mirrored', 'sharded'];
const names = process.argv.length > 2 ? process.argv.slice(2) : all;

const smallBlobs = 2_000;
const largeBytes = 64 * 1024 ** 2;
const chunkBytes = 1024 ** 2;

const newBlob = (size: number): { digest: Digest; data: Buffer } => {
  const data = randomBytes(size);
  return { digest: Digest.of(data), data };
};

interface Figures {
  readonly smallUp: number;
  readonly smallDown: number;
  readonly findMissingMs: number;
  readonly largeUp: number;
  readonly largeDown: number;
}

async function measure(blobs: BlobStore): Promise<Figures> {
  const small = Array.from({ length: smallBlobs }, () => newBlob(1024));
  const digests = small.map(({ digest }) => digest).slice(0, 1_000);
  const smallUp = await seconds(async () => {
    const outcomes = await blobs.writeBatch(small);
    const failure = outcomes.find((outcome) => outcome !== undefined);
    if (failure) throw failure;
  });
  const smallDown = await seconds(() => Promise.all(small.map(({ digest }) => readBlob(blobs, digest))));
  const asked: number[] = [];
  for (let round = 0; round < 9; round += 1) asked.push(await seconds(() => blobs.findMissing(digests)));
  const [ups, downs]: [number[], number[]] = [[], []];
  for (let round = 0; round < 3; round += 1) {
    const { digest, data } = newBlob(largeBytes);
    ups.push(await seconds(() => blobs.write(digest, inParts(bytesOnce(data), chunkBytes))));
    downs.push(
      await seconds(async () => {
        for await (const chunk of blobs.read(digest)) void chunk;
      }),
    );
  }
  const mebibytes = largeBytes / 1024 ** 2;
  return {
    smallUp: smallBlobs / smallUp,
    smallDown: smallBlobs / smallDown,
    findMissingMs: median(asked) * 1_000,
    largeUp: mebibytes / median(ups),
    largeDown: mebibytes / median(downs),
  };
}

// The helpers have mocha end what its suites share, and skip what cannot be run; there is none here.
let endShared: () => unknown = () => undefined;
Object.assign(globalThis, { after: (end: () => unknown) => (endShared = end) });
const { Deployment } = await import('../test/helpers/deployment.js');
const context = {
  skip: (): never => {
    throw new Error('A program that this example needs is not installed');
  },
};

const columns = ['1 KiB up', '1 KiB down', 'FindMissing 1,000', '64 MiB up', '64 MiB down'];
console.log(`${''.padEnd(12)}${columns.map((column) => column.padStart(19)).join('')}`);
for (const name of names) {
  await using deployment = await Deployment.start(context as unknown as Mocha.Context, `${name}.yml`);
  await using client = await Client.connect({ url: deployment.casUrl });
  await client.blobs.findMissing([newBlob(1).digest]);
  const { smallUp, smallDown, findMissingMs, largeUp, largeDown } = await measure(client.blobs);
  const figures = [
    `${smallUp.toFixed(0)} blobs/s`,
    `${smallDown.toFixed(0)} blobs/s`,
    `${findMissingMs.toFixed(1)} ms`,
    `${largeUp.toFixed(0)} MiB/s`,
    `${largeDown.toFixed(0)} MiB/s`,
  ];
  console.log(`${name.padEnd(12)}${figures.map((figure) => figure.padStart(19)).join('')}`);
}
await endShared();
