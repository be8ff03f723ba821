/** Something that takes bytes piece by piece and makes a zstd frame of them. */
export interface FrameEncoder extends Disposable {
  push(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  finish(): Promise<readonly Uint8Array[]>;
}

/** Magic number; no content size, no checksum; a window of 128 KiB, below which no block of its size may be (RFC 8878). */
const frameHeader = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38);
const lastEmptyBlock = Uint8Array.of(0x01, 0x00, 0x00);
const maxBlockBytes = 128 * 1024;

/** Makes a frame whose blocks are the bytes as they are: it needs no memory, and any decoder takes it. */
export class StoredFrame implements FrameEncoder {
  #isBegun = false;

  push(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const pieces = this.#begin();
    for (let start = 0; start < bytes.length; start += maxBlockBytes) {
      const block = bytes.subarray(start, start + maxBlockBytes);
      const header = block.length << 3;
      pieces.push(Uint8Array.of(header & 0xff, (header >> 8) & 0xff, header >> 16), block);
    }
    return Promise.resolve(pieces);
  }

  finish(): Promise<readonly Uint8Array[]> {
    return Promise.resolve([...this.#begin(), lastEmptyBlock]);
  }

  [Symbol.dispose](): void {
    this.#isBegun = true;
  }

  #begin(): Uint8Array[] {
    if (this.#isBegun) return [];
    this.#isBegun = true;
    return [frameHeader];
  }
}
