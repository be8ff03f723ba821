import fc from 'fast-check';
import { Digest } from '../../src/digest/digest.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';

/** The blobs that are written, read and forgotten: some around the borders between ways of keeping them. */
export const universe = [1, 100, 3_000, 20_000, 65_536, 65_537, 150_000]
  .flatMap((sizeBytes) => [sizeBytes, sizeBytes])
  .concat(1_500_000, 1_500_000)
  .map((sizeBytes, index) => {
    const data = patternedBytes(sizeBytes);
    data[0] = index;
    return { data, digest: Digest.of(data) };
  });

/** An operation on a store; blobs by their place in the {@link universe}. */
export type Operation =
  | { readonly kind: 'write'; readonly blob: number; readonly pieces: number }
  | { readonly kind: 'writeBatch'; readonly blobs: readonly number[] }
  | { readonly kind: 'writeWrong'; readonly blob: number; readonly fault: 'short' | 'long' | 'other' | 'broken' }
  | { readonly kind: 'read'; readonly blob: number }
  | { readonly kind: 'readPart'; readonly blob: number; readonly from: number; readonly to: number }
  | { readonly kind: 'findMissing'; readonly blobs: readonly number[] }
  | { readonly kind: 'delete'; readonly blobs: readonly number[] };

/** What is done to the bytes of a store while nobody has it open. */
export interface Damage {
  readonly kind: 'flip' | 'truncate' | 'remove';
  /** Which of the files, and where in it: from 0 to 1. */
  readonly file: number;
  readonly place: number;
}

/** Something that happens in the life of a store. */
export type Step =
  | { readonly kind: 'do'; readonly operation: Operation }
  /** All at the same time. */
  | { readonly kind: 'together'; readonly operations: readonly Operation[] }
  /** Somebody begins to read a blob and stops half-way… */
  | { readonly kind: 'hold'; readonly blob: number }
  /** … and reads on. */
  | { readonly kind: 'release' }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'outage'; readonly lasts: boolean }
  | { readonly kind: 'restart'; readonly damage: readonly Damage[] };

const blob = fc.nat(universe.length - 1);
/** Small ones only, as in a batch. */
const blobs = fc.uniqueArray(fc.nat(universe.length - 3), { minLength: 1, maxLength: 8 });
const fraction = fc.nat(100).map((percent) => percent / 100);

/** A record that is printed without its prototype. */
function record<T extends object>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: record({ kind: fc.constant('write'), blob, pieces: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: record({ kind: fc.constant('writeBatch'), blobs }) },
  {
    weight: 1,
    arbitrary: record({
      kind: fc.constant('writeWrong'),
      blob,
      fault: fc.constantFrom('short', 'long', 'other', 'broken'),
    }),
  },
  { weight: 4, arbitrary: record({ kind: fc.constant('read'), blob }) },
  { weight: 2, arbitrary: record({ kind: fc.constant('readPart'), blob, from: fraction, to: fraction }) },
  { weight: 4, arbitrary: record({ kind: fc.constant('findMissing'), blobs }) },
  { weight: 1, arbitrary: record({ kind: fc.constant('delete'), blobs: fc.array(blob, { maxLength: 3 }) }) },
);

const damage: fc.Arbitrary<Damage> = record({
  kind: fc.constantFrom('flip', 'flip', 'truncate', 'remove'),
  file: fraction,
  place: fraction,
});

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: record({ kind: fc.constant('do'), operation }) },
  {
    weight: 4,
    arbitrary: record({
      kind: fc.constant('together'),
      operations: fc.array(operation, { minLength: 2, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: record({ kind: fc.constant('hold'), blob }) },
  { weight: 1, arbitrary: record({ kind: fc.constant('release') }) },
  // Around the half hour for which a blob that was reported as present stays.
  {
    weight: 2,
    arbitrary: record({ kind: fc.constant('pass'), ms: fc.constantFrom(1_000, 600_000, 1_700_000, 1_800_000) }),
  },
  { weight: 1, arbitrary: record({ kind: fc.constant('outage'), lasts: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: record({
      kind: fc.constant('restart'),
      damage: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(damage, { minLength: 1, maxLength: 3 })),
    }),
  },
);

/** What an operation stores. */
export function blobsWritten(operation: Operation): readonly number[] {
  if (operation.kind === 'writeBatch') return operation.blobs;
  return operation.kind === 'write' ? [operation.blob] : [];
}

/** What an operation needs room for: also content that turns out to be wrong. */
export function blobsBrought(operation: Operation): readonly number[] {
  return operation.kind === 'writeWrong' ? [operation.blob] : blobsWritten(operation);
}

/** What an operation keeps from being evicted. */
export function blobsUsed(operation: Operation): readonly number[] {
  if (operation.kind === 'findMissing') return operation.blobs;
  return operation.kind === 'read' || operation.kind === 'readPart' ? [operation.blob] : [];
}
