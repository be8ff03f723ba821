const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** What a message that we take may have. */
export const maxReceivedMessageBytes = 16 * mebibyte;

/** What a message that we send may have: most clients take 4 MiB, and what wraps the payload needs some room. */
export const maxSentMessageBytes = 4 * mebibyte - 64 * kibibyte;

/** Σ of the blobs in a batch, as announced. */
export const maxBatchTotalSizeBytes = maxSentMessageBytes;

/** What an entry of a batch needs besides the bytes of its blob. */
export const batchEntryOverheadBytes = 128;

/** Entries in a batch: each is answered by itself, even those of no bytes. */
export const maxBatchEntries = 65_536;

/** What all batches under way may have together; more of them wait (U4). */
export const maxBatchBytesInFlight = 256 * mebibyte;

/** What waits for its turn is in memory, too: of more than this, batches are refused with RESOURCE_EXHAUSTED (U4). */
export const maxBatchBytesWaiting = 512 * mebibyte;

/** What a message of a ByteStream read may carry (BS-6). */
export const maxReadChunkBytes = mebibyte;

/** What all readers of ByteStream may hold together; beyond it, 32 KiB for each message that they do not take (U4). */
export const maxReadBytesInFlight = 256 * mebibyte;

/** What is kept of memory that readers have given back. */
export const maxIdleReadBytes = 32 * mebibyte;

/** How long a client may leave an answer that it asked for, and how much all clients together: both are in memory (U4). */
export const maxUnreadAnswerMs = 60_000;
export const maxUnreadAnswerBytes = 512 * mebibyte;

/** How long an upload may keep its next message waiting: until then it holds memory, and room in the store (U4). */
export const maxUploadIdleMs = 60_000;

/** How long a stream that goes on with an upload waits for bytes that the one before it may have sent (BS-8). */
export const maxTakeoverMs = 10_000;

/** How long an upload that broke off may be gone on with, how many may wait for that, and what has come of them (BS-14). */
export const partialUploadMs = 5 * 60_000;
export const maxPartialUploads = 64;
export const maxPartialUploadBytes = 4 * 1024 * mebibyte;

/** How SplitBlob cuts, as Capabilities announces it (CAS-15). */
export const fastCdcParams = { avgChunkSizeBytes: 512 * kibibyte, seed: 0 } as const;

/** Directories in a message of GetTree, if the client does not say. */
export const defaultTreePageSize = 1_000;

/** Priorities that may be asked for, the most urgent first: all that the wire can carry. */
export const priorityRange = { minPriority: -(2 ** 31), maxPriority: 2 ** 31 - 1 } as const;

/** What is kept, with an Operation, of a client's wishes for inlined outputs; more of them are not honoured. */
export const maxHintsLength = 64 * kibibyte;

/** What a BotSession may have: it is kept, and sent back with each answer. */
export const maxBotIdLength = kibibyte;
export const maxWorkerBytes = 64 * kibibyte;

/** Leases that a bot may report at once; it has one at a time. */
export const maxReportedLeases = 100;

/** What an asset may be called: URIs of a request, and characters of them and its qualifiers together. */
export const maxAssetUris = 100;
export const maxAssetNameLength = 64 * kibibyte;

/** Digests that an asset may refer to besides its own: they are kept with each of its names. */
export const maxAssetReferences = 10_000;

/** Keys that a call of UpdateReference may have. */
export const maxReferenceKeys = 100;
