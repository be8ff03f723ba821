import { ZstdCodec } from '../codec/zstd/zstd-codec.js';

/** The codec of all services of this process, so that its limits bound what they take together (U4). */
export const sharedZstd = new ZstdCodec();
