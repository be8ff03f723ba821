import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { framed } from './frame.js';

// The limits: what node:http2 alone does with the same bytes, in a process of its own. Each path is one limit.

const windowBytes = 8 * 1024 * 1024;
const chunk = Buffer.alloc(1024 * 1024, 7);

/** What the hand parser looks hashes up in; the first message of a body tells it, see `/fill`. */
const known = new Set<string>();

function bodyOf(stream: ServerHttp2Stream, use: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  stream.on('data', (data: Buffer) => void chunks.push(data));
  stream.on('end', () => use(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
}

function answer(stream: ServerHttp2Stream, body: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(body);
}

/** Walks a FindMissingBlobsRequest that has nothing but digests of SHA-256. */
function findMissing(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 5; at < body.length;) {
    const length = body[at + 1]!;
    const end = at + 2 + length;
    if (!known.has(body.toString('latin1', at + 4, at + 68))) {
      const part = body.subarray(at, end);
      parts.push(Buffer.from([0x12]), part.subarray(1));
    }
    at = end;
  }
  return framed(Buffer.concat(parts));
}

/** What a store cannot do without: each KiB is hashed, then all that has come is appended and flushed together. */
const waiting: { readonly body: Buffer; readonly done: () => void }[] = [];
let isStoring = false;
let log: FileHandle | undefined;

async function storeAll(): Promise<void> {
  isStoring = true;
  const folder = mkdtempSync(join(tmpdir(), 'bgd-bench-raw-'));
  log ??= await open(join(folder, 'log'), 'w');
  rmSync(folder, { recursive: true });
  while (waiting.length > 0) {
    const group = waiting.splice(0);
    await log.writev(group.map(({ body }) => body));
    await log.datasync();
    for (const { done } of group) done();
  }
  isStoring = false;
}

function hashAndStore(body: Buffer, done: () => void): void {
  for (let at = 0; at < body.length; at += 1024) hash('sha256', body.subarray(at, at + 1024), 'hex');
  waiting.push({ body, done });
  if (!isStoring) void storeAll();
}

const paths: Readonly<Record<string, (stream: ServerHttp2Stream, path: string) => void>> = {
  down: (stream, path) => {
    let left = Number(path.split('/')[2]);
    stream.respond({ ':status': 200 });
    const send = (): void => {
      while (left > 0) {
        left -= chunk.length;
        if (!stream.write(chunk)) return void stream.once('drain', send);
      }
      stream.end();
    };
    send();
  },
  up: (stream) => {
    let bytes = 0;
    stream.on('data', (data: Buffer) => (bytes += data.length));
    stream.on('end', () => answer(stream, Buffer.from(String(bytes))));
  },
  echo: (stream) => bodyOf(stream, (body) => answer(stream, body)),
  'find-missing': (stream) => bodyOf(stream, (body) => answer(stream, findMissing(body))),
  store: (stream) => bodyOf(stream, (body) => hashAndStore(body, () => answer(stream, framed(Buffer.alloc(7_800))))),
  fill: (stream) =>
    bodyOf(stream, (body) => {
      known.clear();
      for (let at = 5; at < body.length; at += 64) known.add(body.toString('latin1', at, at + 64));
      answer(stream, framed(Buffer.alloc(0)));
    }),
};

const server = createServer({ settings: { initialWindowSize: windowBytes } });
server.on('session', (session) => session.setLocalWindowSize(windowBytes));
server.on('stream', (stream, headers) => {
  stream.on('error', () => undefined);
  const path = headers[':path'] ?? '';
  paths[path.split('/')[1] ?? '']?.(stream, path);
});
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`));
process.on('SIGTERM', () => process.exit(0));
