import { ZstdCodec } from '../../../src/codec/zstd/zstd-codec.js';
import { bytesOnce } from '../../../src/common/async-iteration.js';
import { concat, frameOf, rle } from './frames.js';

// Decodes a bomb, wanting 8 MiB, and prints how that ended and by how much the most memory ever used has grown.

const blockBytes = 128 * 1024;
const blocks = 4096;
const how = process.argv.at(-1);

const header = { windowLog: 23, ...(how === 'announced' && { contentBytes: blocks * blockBytes }) };
const block = rle(0, blockBytes, false);
const bomb = frameOf(header, concat(...Array.from({ length: blocks - 1 }, () => block)), rle(0, blockBytes, true));
const wanted = 8 * 1024 * 1024;

const codec = new ZstdCodec();
await codec.compressBytes(Buffer.from('loads the engine'));
const maxRssBytes = (): number => process.resourceUsage().maxRSS * 1024;
const before = maxRssBytes();
let madeBytes = 0;
let message = '';
try {
  if (how === 'stream') {
    for await (const { length } of codec.decompress(bytesOnce(bomb), wanted)) madeBytes += length;
  } else {
    madeBytes = (await codec.decompressBytes(bomb, wanted)).length;
  }
} catch (reason) {
  message = String(reason);
}
process.stdout.write(
  JSON.stringify({ bombBytes: bomb.length, message, madeBytes, grownBytes: maxRssBytes() - before }),
);
