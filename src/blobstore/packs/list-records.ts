import { open, truncate } from 'node:fs/promises';
import type { Logger } from '../../common/logger.js';
import { type Hint, HintBuilder, deliverHint, readHint } from './hint-file.js';
import type { OnRecord } from './pack-place.js';
import type { PackSegment } from './pack-segment.js';
import { type ScanResult, scanSegment } from './scan-segment.js';

/** A part of a segment, from its start. */
export interface SegmentPart {
  readonly segment: PackSegment;
  readonly end: number;
}

/** Delivers the records of a segment that this process has written or recovered. */
export async function listRecords({ segment, end }: SegmentPart, onRecord: OnRecord): Promise<void> {
  const hint = await usableHint(segment, end);
  if (hint) await deliverHint(hint, onRecord);
  const start = hint?.coveredBytes ?? 0;
  if (start === end) return;
  await using file = await open(segment.path, 'r');
  await scanSegment({ file, segment, start, end, verifies: false }, onRecord);
}

/** Writes the hint of a segment that this process has written. */
export async function writeHint(part: SegmentPart): Promise<void> {
  const builder = new HintBuilder();
  await listRecords(part, (record) => builder.add(record));
  await builder.write(part.segment, part.end);
}

/** Whether the hint of a segment says all about it. */
export async function isHinted({ segment, end }: SegmentPart): Promise<boolean> {
  return (await readHint(segment))?.coveredBytes === end;
}

/**
 * Delivers the records of a segment that another process has left. What no hint stands for is checked: what proves
 * itself is flushed, for that process may have died before it could; behind the last such record the file is cut off.
 */
export async function recoverRecords(part: SegmentPart, onRecord: OnRecord, logger: Logger): Promise<void> {
  const { segment, end } = part;
  const hint = await usableHint(segment, end);
  if (hint?.coveredBytes === end) return deliverHint(hint, onRecord);
  const builder = new HintBuilder();
  const onBoth: OnRecord = (record) => {
    builder.add(record);
    onRecord(record);
  };
  if (hint) await deliverHint(hint, onBoth);
  const result = await checkedScan(part, hint?.coveredBytes ?? 0, onBoth);
  report(part, result, logger);
  if (result.isUnreadable) return; // It may heal: nothing is cut off, and the next start looks again.
  segment.fileBytes = result.validEnd;
  try {
    if (result.validEnd < end) await truncate(segment.path, result.validEnd);
    await builder.write(segment, result.validEnd);
  } catch (reason) {
    logger.warn({ err: reason, path: segment.path }, 'A pack segment could not be tidied up');
  }
}

/** A hint that stands for more than there is says that the file was cut off under us: then it proves nothing. */
async function usableHint(segment: PackSegment, end: number): Promise<Hint | undefined> {
  const hint = await readHint(segment);
  return hint && hint.coveredBytes <= end ? hint : undefined;
}

async function checkedScan({ segment, end }: SegmentPart, start: number, onRecord: OnRecord): Promise<ScanResult> {
  await using file = await open(segment.path, 'r');
  const result = await scanSegment({ file, segment, start, end, verifies: true }, onRecord);
  await file.datasync();
  return result;
}

function report(
  { segment, end }: SegmentPart,
  { lostBytes, validEnd, isUnreadable }: ScanResult,
  logger: Logger,
): void {
  const { path } = segment;
  if (lostBytes > 0 || isUnreadable) {
    logger.error({ path, lostBytes, isUnreadable }, 'A part of a pack segment is damaged: the blobs in it are lost');
  } else if (validEnd < end) {
    logger.info({ path, tornBytes: end - validEnd }, 'What a crash left half-written of a pack segment is cut off');
  }
}
