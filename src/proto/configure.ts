import protobuf from 'protobufjs/light.js';

// Imported for its effect, and before any message is built; grpc-js has a protobufjs of its own.

// Without Long, 64-bit fields are plain numbers, exact up to 2^53. Digest and the helpers of this room check the range
// where it matters.
Object.assign(protobuf.util, { Long: null });
protobuf.configure();

// An unset field of bytes reads as no bytes; by itself it would read as an empty array.
Object.assign(protobuf.types.defaults, { bytes: Buffer.alloc(0) });
