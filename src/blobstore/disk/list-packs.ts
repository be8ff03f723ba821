import type { Logger } from '../../common/logger.js';
import { Digest } from '../../digest/digest.js';
import type { PackFolder } from '../packs/pack-folder.js';
import type { ForgottenBlob, ListedRecord } from '../packs/pack-place.js';
import type { BlobIndex } from './blob-index.js';

/** Enters all packed blobs into an index. */
export async function listPacks(packs: PackFolder, index: BlobIndex, logger: Logger): Promise<void> {
  // A crash while a segment was being emptied leaves two records of a blob. The older one is forgotten, or the blob could
  // come back when it is deleted one day and the newer record has gone with its segment.
  const older = new Map<string, ForgottenBlob>();
  await packs.list((record) => {
    if (record.isTombstone) {
      index.removeListed(record);
      if (older.size > 0) older.delete(nameOf(record));
    } else {
      const place = index.addListed(record);
      if (place) older.set(nameOf({ ...record, ...place }), { digest: digestOf(record), place });
    }
  });
  if (older.size === 0) return;
  try {
    await packs.forget([...older.values()]);
  } catch (reason) {
    logger.warn({ err: reason }, 'Second copies of blobs cannot be forgotten');
  }
}

function nameOf(record: ListedRecord): string {
  return `${digestOf(record).key} ${record.segment} ${record.offset}`;
}

function digestOf({ fn, bytes, hashStart, sizeBytes }: ListedRecord): Digest {
  return Digest.from(bytes.toString('hex', hashStart, hashStart + fn.hexLength / 2), sizeBytes, fn);
}
