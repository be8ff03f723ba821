import { setImmediate as turn } from 'node:timers/promises';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { type NewRecord, recordBytes } from './compose-records.js';
import { GrowingSegment } from './growing-segment.js';
import type { PackPlace } from './pack-place.js';
import type { PackSegment } from './pack-segment.js';

/** What {@link PackWriter} is told. */
export interface PackWriterOptions {
  /** The folder of the segments. */
  readonly path: string;
  readonly maxSegmentBytes: number;
  /** The number of the first segment that is made. */
  readonly nextNumber: number;
  /** A segment to go on with, whose file ends where its records do. */
  readonly current: PackSegment | undefined;
  /** Told of each new segment before there are records in it. */
  readonly onOpened: (segment: PackSegment) => void;
  /** Told of each segment that nothing is added to any more. */
  readonly onSealed: (segment: PackSegment) => void;
}

/** How {@link PackWriter.append} is to append. */
export interface AppendOptions {
  /** Whether to wait for the disk. */
  readonly isDurable: boolean;
  /** The records go to the segment with this number or a later one, which is made, also for no records at all. */
  readonly minSegment?: number;
}

/** Records that succeed or fail together. */
interface Unit extends Required<AppendOptions> {
  readonly records: readonly NewRecord[];
  readonly sizeBytes: number;
  readonly settle: (offsets: readonly number[], segment: number) => void;
  readonly fail: (reason: unknown) => void;
}

/** So that the first of a group does not wait for ever while others keep coming. */
const maxGroupBytes = 8 * 1024 * 1024;

/** So that a hint stays small enough to be read and checked in one go. */
const maxSegmentRecords = 256 * 1024;

/** Appends records to the newest segment. All that come while others are being written go out together with one flush. */
export class PackWriter {
  readonly #options: PackWriterOptions;
  readonly #waiting: Unit[] = [];
  /** How many units are in a segment that those who wait for them have not been told of. */
  readonly #untold = new Map<number, number>();
  #nextNumber: number;
  #adoptable: PackSegment | undefined;
  #growing: GrowingSegment | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: PackWriterOptions) {
    this.#options = options;
    this.#nextNumber = options.nextNumber;
    this.#adoptable = options.current;
  }

  /** Appends records in their order. When it rejects, none of them should be counted on. */
  async append(records: readonly NewRecord[], options: AppendOptions): Promise<readonly PackPlace[]> {
    if (this.#isClosed) throw new StatusError(Code.Unavailable, `Folder ${this.#options.path} has been closed`);
    const parts = cut(records, this.#maxUnitBytes);
    const written: number[] = [];
    const onWritten = (segment: number): void => {
      written.push(segment);
      this.#untold.set(segment, (this.#untold.get(segment) ?? 0) + 1);
    };
    // Settled, all of them: the caller's bytes are needed for as long as one is being written.
    const outcomes = await Promise.allSettled(parts.map((part) => this.#enqueue(part, options, onWritten)));
    // When the caller has had its turn.
    setImmediate(() => this.#tell(written));
    return outcomes.flatMap((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  /**
   * Whether there are records in a segment whose places the caller has not been given, or has been in this very turn of the event
   * loop. A call that goes over several segments gets its places only in the end.
   */
  hasUntold(segment: number): boolean {
    return this.#untold.has(segment);
  }

  /** Ends what is under way, and takes no more. Rejects if what was not flushed yet cannot be. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#running) await this.#running;
    try {
      await this.#growing?.flush();
    } finally {
      await this.#growing?.close();
      this.#growing = undefined;
    }
  }

  get #maxUnitBytes(): number {
    return Math.min(maxGroupBytes, this.#options.maxSegmentBytes);
  }

  #tell(segments: readonly number[]): void {
    for (const segment of segments) {
      const left = (this.#untold.get(segment) ?? 1) - 1;
      if (left > 0) this.#untold.set(segment, left);
      else this.#untold.delete(segment);
    }
  }

  #enqueue(
    records: readonly NewRecord[],
    { isDurable, minSegment = 0 }: AppendOptions,
    onWritten: (segment: number) => void,
  ): Promise<readonly PackPlace[]> {
    return new Promise((resolve, fail) => {
      const settle = (offsets: readonly number[], segment: number): void => {
        onWritten(segment);
        resolve(offsets.map((offset) => ({ segment, offset })));
      };
      const sizeBytes = records.reduce((sum, record) => sum + recordBytes(record), 0);
      this.#waiting.push({ records, sizeBytes, isDurable, minSegment, settle, fail });
      this.#running ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // Whatever else arrives in this turn belongs to the first group, too.
    await turn();
    while (this.#waiting.length > 0) await this.#write(this.#nextGroup());
    this.#running = undefined;
  }

  #nextGroup(): Unit[] {
    let sizeBytes = 0;
    let count = 0;
    for (const unit of this.#waiting) {
      sizeBytes += unit.sizeBytes;
      if (count > 0 && sizeBytes > this.#maxUnitBytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(group: readonly Unit[]): Promise<void> {
    try {
      const { offsets, segment } = await this.#append(group);
      let start = 0;
      for (const { records, settle } of group) {
        settle(offsets.slice(start, start + records.length), segment);
        start += records.length;
      }
    } catch (reason) {
      for (const { fail } of group) fail(reason);
    }
  }

  async #append(group: readonly Unit[]): Promise<{ offsets: readonly number[]; segment: number }> {
    const sizeBytes = group.reduce((sum, unit) => sum + unit.sizeBytes, 0);
    const minSegment = Math.max(...group.map((unit) => unit.minSegment));
    const growing = await this.#growingFor(sizeBytes, minSegment);
    const [first] = group;
    const records = first && group.length === 1 ? first.records : group.flatMap((unit) => unit.records);
    const isDurable = group.some((unit) => unit.isDurable);
    const offsets = records.length > 0 ? await growing.append(records, isDurable) : [];
    return { offsets, segment: growing.segment.number };
  }

  /** The segment to append to: a new one if there is none that has room and is sound. */
  async #growingFor(sizeBytes: number, minSegment: number): Promise<GrowingSegment> {
    if (this.#adoptable) await this.#adopt(this.#adoptable);
    if (this.#growing && !this.#canTake(this.#growing, sizeBytes, minSegment)) await this.#seal(this.#growing);
    this.#growing ??= await this.#create();
    return this.#growing;
  }

  #canTake({ segment, isBroken, recordCount }: GrowingSegment, sizeBytes: number, minSegment: number): boolean {
    if (isBroken || segment.number < minSegment || recordCount >= maxSegmentRecords) return false;
    return segment.fileBytes === 0 || segment.fileBytes + sizeBytes <= this.#options.maxSegmentBytes;
  }

  async #adopt(segment: PackSegment): Promise<void> {
    this.#adoptable = undefined;
    try {
      this.#growing = await GrowingSegment.adopt(segment);
    } catch {
      this.#options.onSealed(segment); // A new one will do; if not, that says why.
    }
  }

  /** Tombstones that were not flushed must be before records behind them are acknowledged. */
  async #seal(growing: GrowingSegment): Promise<void> {
    await growing.flush();
    this.#growing = undefined;
    this.#options.onSealed(growing.segment);
    await growing.close();
  }

  async #create(): Promise<GrowingSegment> {
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const growing = await GrowingSegment.create(this.#options.path, number);
    this.#options.onOpened(growing.segment);
    return growing;
  }
}

/** Cuts records into parts of at most `maxBytes` each, or of one record that is larger by itself. At least one part. */
function cut(records: readonly NewRecord[], maxBytes: number): NewRecord[][] {
  let last: NewRecord[] = [];
  const parts = [last];
  let sizeBytes = 0;
  for (const record of records) {
    sizeBytes += recordBytes(record);
    if (sizeBytes > maxBytes && last.length > 0) {
      parts.push((last = []));
      sizeBytes = recordBytes(record);
    }
    last.push(record);
  }
  return parts;
}
