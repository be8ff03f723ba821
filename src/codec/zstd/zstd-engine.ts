import type * as ZstdPackage from '@cloudpss/zstd/napi';
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';

/** An implementation of zstd. It checks nothing that {@link FrameWalker} can check. */
export interface ZstdEngine {
  /** Makes one frame. */
  compress(bytes: Uint8Array): Uint8Array;
  /** Decodes whole frames that are known to hold `sizeBytes`, and throws if they hold more. */
  decompress(bytes: Uint8Array, sizeBytes: number): Uint8Array;
  createCompressor(): Transform;
  createDecompressor(): Transform;
}

/** The quickest and the one that needs least memory: higher levels gain little on what builds make. */
const level = 1;

const outputBytes = 128 * 1024;

/** The part of `node:zlib` that Node has from 22.15 on, and that its types for Node 20 do not know. */
interface NodeZstd {
  readonly zstdCompressSync: (bytes: Uint8Array, options: object) => Buffer;
  readonly zstdDecompressSync: (bytes: Uint8Array, options: object) => Buffer;
  readonly createZstdCompress: (options: object) => Transform;
  readonly createZstdDecompress: (options: object) => Transform;
  readonly constants: { readonly ZSTD_c_compressionLevel: number };
}

let loading: Promise<ZstdEngine | undefined> | undefined;

/** The engine of this Node, or else that of a package, or `undefined` on a machine that the package does not know. */
export function loadZstdEngine(): Promise<ZstdEngine | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<ZstdEngine | undefined> {
  const node = zlib as unknown as Partial<NodeZstd>;
  if (node.createZstdDecompress) return nodeEngine(node as NodeZstd);
  try {
    return packageEngine(await import('@cloudpss/zstd/napi'));
  } catch {
    return undefined;
  }
}

function nodeEngine(node: NodeZstd): ZstdEngine {
  const compression = { params: { [node.constants.ZSTD_c_compressionLevel]: level }, chunkSize: outputBytes };
  return {
    compress: (bytes) => node.zstdCompressSync(bytes, compression),
    decompress: (bytes, sizeBytes) => node.zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, sizeBytes) }),
    createCompressor: () => node.createZstdCompress(compression),
    createDecompressor: () => node.createZstdDecompress({ chunkSize: outputBytes }),
  };
}

function packageEngine(native: typeof ZstdPackage): ZstdEngine {
  return {
    compress: (bytes) => native.compress(bytes, level),
    decompress: (bytes) => native.decompress(bytes),
    createCompressor: () => new native.Compressor(level),
    createDecompressor: () => new native.Decompressor(),
  };
}
