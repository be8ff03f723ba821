import protobuf from 'protobufjs/light.js';

// Imported for its effect, and before any message is built: without Long, 64-bit fields are plain numbers, exact up to
// 2^53. Digest and the helpers of this room check the range where it matters. grpc-js has a protobufjs of its own.
Object.assign(protobuf.util, { Long: null });
protobuf.configure();
