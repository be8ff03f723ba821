import http2 from 'node:http2';

/**
 * Runs `bind` so that the HTTP/2 server made in it receives through large flow-control windows. grpc-js has an option for
 * them, but only its client reads it: a server left alone takes uploads through 64 KiB, at half the speed.
 */
export async function withLargeWindows<T>(windowBytes: number, bind: () => Promise<T>): Promise<T> {
  const original = http2.createServer;
  const originalSecure = http2.createSecureServer;
  const widen = <Server extends http2.Http2Server | http2.Http2SecureServer>(server: Server): Server => {
    server.on('session', (session) => session.setLocalWindowSize(windowBytes));
    return server;
  };
  const withWindow = <Options extends { settings?: http2.Settings | undefined }>(options: Options): Options => ({
    ...options,
    settings: { ...options.settings, initialWindowSize: windowBytes },
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
