import { Digest } from '../../digest/digest.js';
import type { BlobTable } from './blob-table.js';

/** Where the index has what it knows of a blob. It holds good until the blob is forgotten. */
export interface BlobSlot {
  readonly table: BlobTable;
  readonly slot: number;
}

/** The digest of the blob that has a slot. */
export function digestAt({ table: { fn, slots }, slot }: BlobSlot): Digest {
  return Digest.from(slots.hashOf(slot), slots.sizeBytesOf(slot), fn);
}
