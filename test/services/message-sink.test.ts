import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { Code } from '../../src/common/code.js';
import { silentLogger } from '../../src/common/logger.js';
import { StatusError } from '../../src/common/status-error.js';
import { GrpcServer } from '../../src/server/grpc-server.js';
import type { CallContext } from '../../src/services/call-context.js';
import { rawSink } from '../../src/services/message-sink.js';
import type { RawMessage } from '../../src/services/raw-methods.js';
import { GrpcLine, framed, messagesOf } from '../helpers/grpc-line.js';
import { until } from '../helpers/until.js';

const path = '/google.bytestream.ByteStream/Read';

/** A service whose Read answers encoded messages. */
class RawReads {
  readonly raw: { read: (request: Buffer, context: CallContext) => AsyncIterable<RawMessage> };

  constructor(read: (request: Buffer, context: CallContext) => AsyncIterable<RawMessage>) {
    this.raw = { read };
  }

  write(): never {
    assert.fail('unexpected call');
  }

  queryWriteStatus(): never {
    assert.fail('unexpected call');
  }
}

describe('rawSink', () => {
  const parts = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));
  let server: GrpcServer | undefined;
  let line: GrpcLine | undefined;

  const start = async (
    read: (request: Buffer, context: CallContext) => AsyncIterable<RawMessage>,
  ): Promise<GrpcLine> => {
    server = await GrpcServer.listen({
      addresses: [{ host: '127.0.0.1', port: 0 }],
      services: { 'google.bytestream.ByteStream': new RawReads(read) },
      logger: silentLogger,
      stopGraceMs: 0,
    });
    line = await GrpcLine.connect(server.url);
    return line;
  };

  afterEach(async () => {
    line?.[Symbol.dispose]();
    await server?.[Symbol.asyncDispose]();
    server = line = undefined;
  });

  it('sends the parts of each message as one, and tells when they are gone', async () => {
    const sent: string[] = [];
    const client = await start(async function* (request) {
      yield { parts: [request, ...parts('-', 'first')], onSent: () => void sent.push('first') };
      yield { parts: parts(''), onSent: () => void sent.push('empty') };
      yield { parts: [Buffer.alloc(3_000_000, 'x')], onSent: () => void sent.push('large') };
      yield { parts: parts('last') };
    });

    const messages = await client.call(path, Buffer.from('asked'));

    assert.deepEqual(
      messages.map((message) => (message.length > 100 ? message.length : String(message))),
      ['asked-first', '', 3_000_000, 'last'],
    );
    assert.deepEqual(sent, ['first', 'empty', 'large']);
  });

  it('tells of a failure before the first message, and of one behind it', async () => {
    const client = await start(async function* (request) {
      if (String(request) === 'late') yield { parts: parts('first') };
      throw new StatusError(Code.NotFound, 'It is not there');
    });
    const failed = async (request: string): Promise<unknown> =>
      client.call(path, Buffer.from(request)).catch((reason: unknown) => (reason as Error).message);

    assert.match(String(await failed('soon')), /It is not there/);
    assert.match(String(await failed('late')), /It is not there/);
  });

  it('holds the producer back while the client does not read, and does not give its memory away when it leaves (U4)', async () => {
    let produced = 0;
    let sent = 0;
    let isOver = false;
    const client = await start(async function* () {
      try {
        for (; ; produced += 1) yield { parts: [Buffer.alloc(1024 * 1024)], onSent: () => (sent += 1) };
      } finally {
        isOver = true;
      }
    });
    const stream = client.open(path);
    stream.end(framed(Buffer.from('asked')));
    await once(stream, 'readable');
    await new Promise(setImmediate);
    const before = produced;
    assert.ok(produced <= 1, `${produced} chunks were produced`);

    stream.destroy();

    await until(() => isOver);
    assert.equal(produced, before);
    assert.equal(sent, 0);
  });

  it('goes the way of grpc-js where it does not find the stream', async () => {
    const written: Buffer[] = [];
    const events: string[] = [];
    const call = {
      call: { nothing: 'known' },
      write: (message: Buffer) => written.push(message) > 0,
    } as unknown as ServerWritableStream<object, object>;

    await rawSink(call).send({ parts: parts('a', 'b'), onSent: () => void events.push('sent') }, AbortSignal.any([]));

    assert.deepEqual(written.map(String), ['ab']);
    assert.deepEqual(events, ['sent']);
  });

  it('reports an end that came while it was sending', async () => {
    const client = await start(async function* (_, { signal }) {
      yield { parts: parts('first') };
      await once(signal, 'abort');
      yield { parts: parts('second') };
    });
    const stream = client.open(path);
    stream.end(framed(Buffer.from('asked')));
    const messages = messagesOf(stream).catch((reason: unknown) => (reason as Error).message);
    await once(stream, 'response');

    await server?.[Symbol.asyncDispose]();

    assert.match(String(await messages), /The server is stopping/);
  });
});
