import { ChunkPool } from '../common/chunk-pool.js';
import { maxIdleReadBytes, maxReadBytesInFlight } from './limits.js';

/** Memory for what all services of this process read, so that its limits bound what they take together (U4). */
export const sharedReadChunks = new ChunkPool({ budgetBytes: maxReadBytesInFlight, maxIdleBytes: maxIdleReadBytes });
