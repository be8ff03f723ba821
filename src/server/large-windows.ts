import http2 from 'node:http2';
import { letCallsFinish } from './closing-sessions.js';
import type { FlowWindows } from './flow-windows.js';

/**
 * Runs `bind` so that the HTTP/2 server made in it receives through `windows`, and lets calls finish on a connection that ends. grpc-js has an option for them, but only its
 * client reads it: a server left alone takes uploads through 64 KiB, at half the speed.
 */
export async function withLargeWindows<T>(windows: FlowWindows, bind: () => Promise<T>): Promise<T> {
  const original = http2.createServer;
  const originalSecure = http2.createSecureServer;
  const widen = <Server extends http2.Http2Server | http2.Http2SecureServer>(server: Server): Server => {
    server.on('session', (session: http2.ServerHttp2Session) => {
      windows.addSession(session);
      letCallsFinish(session);
    });
    server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) =>
      windows.addStream(stream, headers[':path']),
    );
    return server;
  };
  const withWindow = <Options extends { settings?: http2.Settings | undefined }>(options: Options): Options => ({
    ...options,
    settings: { ...options.settings, initialWindowSize: windows.streamBytes },
  });
  http2.createServer = ((options: http2.ServerOptions) => widen(original(withWindow(options)))) as typeof original;
  http2.createSecureServer = ((options: http2.SecureServerOptions) =>
    widen(originalSecure(withWindow(options)))) as typeof originalSecure;
  try {
    return await bind();
  } finally {
    http2.createServer = original;
    http2.createSecureServer = originalSecure;
  }
}
