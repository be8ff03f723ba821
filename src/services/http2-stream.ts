import type { ServerHttp2Stream } from 'node:http2';

/** The HTTP/2 stream of a grpc-js call. Where it is kept is private to grpc-js, so nothing is taken for granted. */
export function http2StreamOf(call: object): ServerHttp2Stream | undefined {
  const { call: inner } = call as { call?: { stream?: Partial<ServerHttp2Stream> } };
  const stream = inner?.stream;
  const isStream = typeof stream?.write === 'function' && typeof stream.respond === 'function';
  return isStream ? (stream as ServerHttp2Stream) : undefined;
}
