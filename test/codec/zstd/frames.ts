/** Frames of zstd made by hand (RFC 8878), to say what no encoder would. */
export interface FrameOptions {
  /** Without it the frame is a single segment. */
  readonly windowLog?: number;
  readonly windowEighths?: number;
  readonly contentBytes?: number;
  readonly hasChecksum?: boolean;
  readonly dictionaryId?: number;
  readonly reserved?: boolean;
}

export function concat(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

/** A frame with the head that `options` describe. */
export function frameOf(options: FrameOptions, ...blocks: readonly Uint8Array[]): Buffer {
  const { windowLog, windowEighths = 0, contentBytes, dictionaryId } = options;
  const size = Buffer.alloc(contentBytes === undefined ? 0 : 4);
  if (contentBytes !== undefined) size.writeUInt32LE(contentBytes);
  return concat(
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, descriptorOf(options)),
    windowLog === undefined ? new Uint8Array() : Uint8Array.of(((windowLog - 10) << 3) | windowEighths),
    dictionaryId === undefined ? new Uint8Array() : Uint8Array.of(dictionaryId),
    size,
    ...blocks,
  );
}

function descriptorOf(options: FrameOptions): number {
  const { windowLog, contentBytes, hasChecksum = false, dictionaryId, reserved = false } = options;
  return (
    (contentBytes === undefined ? 0 : 0x80) |
    (windowLog === undefined ? 0x20 : 0) |
    (reserved ? 0x08 : 0) |
    (hasChecksum ? 0x04 : 0) |
    (dictionaryId === undefined ? 0 : 0x01)
  );
}

/** A block of any type; `sizeBytes` is what its head says. */
export function blockOf(type: number, sizeBytes: number, body: Uint8Array, isLast: boolean): Buffer {
  const head = (sizeBytes << 3) | (type << 1) | Number(isLast);
  return concat(Uint8Array.of(head & 0xff, (head >> 8) & 0xff, head >> 16), body);
}

export function raw(bytes: Uint8Array, isLast: boolean): Buffer {
  return blockOf(0, bytes.length, bytes, isLast);
}

/** `count` times the same byte, in four. */
export function rle(byte: number, count: number, isLast: boolean): Buffer {
  return blockOf(1, count, Uint8Array.of(byte), isLast);
}

export function skippable(sizeBytes: number): Buffer {
  return concat(Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, sizeBytes, 0, 0, 0), new Uint8Array(sizeBytes));
}

/** Bytes like those of a log: they compress to a fraction. */
export function compressibleBytes(sizeBytes: number): Buffer {
  const lines = Array.from({ length: Math.ceil(sizeBytes / 40) }, (_, line) =>
    `line ${line}: took ${line % 97} ms`.padEnd(40),
  );
  return Buffer.from(lines.join('')).subarray(0, sizeBytes);
}
