import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { Channel } from '../../src/client/channel.js';
import { missingBlobsOf } from '../../src/client/error-details.js';
import { methods } from '../../src/client/method.js';
import { openChannel } from '../../src/client/open-channel.js';
import { Digest } from '../../src/digest/digest.js';
import { missingBlobsError } from '../../src/digest/missing-blobs.js';
import type { bytestream, reapi } from '../../src/proto/index.js';
import type { CallContext } from '../../src/services/call-context.js';
import { hasCode } from '../helpers/has-code.js';
import { until } from '../helpers/until.js';
import { ScriptedServer } from '../helpers/scripted-server.js';

describe('Channel', () => {
  let server: ScriptedServer;
  let channel: Channel;

  beforeEach(async () => {
    server = await ScriptedServer.listen();
    channel = await openChannel({
      url: server.url,
      authToken: 'secret\n',
      requestMetadata: { toolInvocationId: 'invocation', actionId: 'action', correlatedInvocationsId: 'build' },
    });
  });

  afterEach(async () => {
    channel[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  const capabilities = (signal?: AbortSignal, timeoutMs = 5_000): Promise<reapi.ServerCapabilities> =>
    channel.unary(methods.getCapabilities, { instanceName: 'main' }, { timeoutMs }, signal);

  const never = ({ signal }: CallContext): Promise<never> =>
    new Promise((_resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop);
    });

  it('says with every call who makes it and what for (RM-1, RM-3)', async () => {
    let context: CallContext | undefined;
    server.script.getCapabilities = (_request, each) => {
      context = each;
      return {};
    };

    await channel.unary(methods.getCapabilities, {}, { headers: { 'bgd-hold-busy': '1' } });

    const metadata = context?.requestMetadata;
    assert.equal(metadata?.toolDetails?.toolName, 'bgd');
    assert.match(metadata.toolDetails.toolVersion ?? '', /^\d+\.\d+\.\d+/);
    assert.deepEqual(
      [metadata.toolInvocationId, metadata.actionId, metadata.correlatedInvocationsId],
      ['invocation', 'action', 'build'],
    );
    assert.equal(context?.header('authorization'), 'Bearer secret');
    assert.equal(context.header('bgd-hold-busy'), '1');
  });

  it('gives unary calls a deadline of 60 s unless told otherwise (CL-7, U2)', async () => {
    const deadlines: (number | undefined)[] = [];
    server.script.getCapabilities = (_request, { deadlineMs }) => {
      deadlines.push(deadlineMs);
      return {};
    };
    const before = Date.now();

    await channel.unary(methods.getCapabilities, {});
    await channel.unary(methods.getCapabilities, {}, { timeoutMs: 5_000 });

    assert.ok(Math.abs(deadlines[0]! - before - 60_000) < 2_000);
    assert.ok(Math.abs(deadlines[1]! - before - 5_000) < 2_000);
  });

  it('ends a call at its deadline', async () => {
    server.script.getCapabilities = (_request, context) => never(context);

    await assert.rejects(capabilities(undefined, 50), (reason) => {
      assert.ok(hasCode(Code.DeadlineExceeded)(reason));
      assert.match(String(reason), /grpc:\/\/127\.0\.0\.1:\d+ has not answered within 0\.\d s/);
      return true;
    });
  });

  it('rejects with the code, the text and the details that the server gave (EX-9)', async () => {
    const digests = [Digest.of(Buffer.from('a')), Digest.of(Buffer.from('b'))];
    server.script.getCapabilities = () => {
      throw missingBlobsError(digests);
    };

    await assert.rejects(capabilities(), (reason) => {
      assert.ok(reason instanceof StatusError);
      assert.equal(reason.code, Code.FailedPrecondition);
      assert.match(reason.message, /^2 blobs are missing/);
      assert.deepEqual(missingBlobsOf(reason), digests);
      return true;
    });
  });

  it('cancels a unary call when its signal aborts', async () => {
    const controller = new AbortController();
    let sawAbort = false;
    server.script.getCapabilities = async (_request, context) => {
      context.onTermination(() => (sawAbort = true));
      controller.abort();
      return never(context);
    };

    await assert.rejects(capabilities(controller.signal), hasCode(Code.Cancelled));

    await until(() => sawAbort);
  });

  it('cancels its calls when it is closed, and begins none after that', async () => {
    let call: Promise<unknown> = Promise.resolve();
    const begun = new Promise<void>((resolve) => {
      server.script.getCapabilities = (_request, context) => {
        resolve();
        return never(context);
      };
      call = assert.rejects(capabilities(), hasCode(Code.Cancelled));
    });
    await begun;

    channel[Symbol.dispose]();

    await call;
    await assert.rejects(capabilities(), hasCode(Code.FailedPrecondition));
  });

  it('does not begin a call whose signal has aborted', async () => {
    await assert.rejects(capabilities(AbortSignal.abort()), hasCode(Code.Cancelled));
    await assert.rejects(
      channel.serverStream(methods.read, {}, {}, AbortSignal.abort()).next(),
      hasCode(Code.Cancelled),
    );
    await assert.rejects(
      channel.clientStream(methods.write, requests(), {}, AbortSignal.abort()),
      hasCode(Code.Cancelled),
    );

    assert.deepEqual(server.calls, []);
  });

  describe('streaming responses', () => {
    const texts = async (stream: AsyncIterable<bytestream.ReadResponse>): Promise<string[]> => {
      const found: string[] = [];
      for await (const { data } of stream) found.push(String(data));
      return found;
    };

    it('yields them in order, up to the end', async () => {
      server.script.read = async function* () {
        for (const text of ['a', 'b', 'c']) yield { data: Buffer.from(text) };
      };

      assert.deepEqual(await texts(channel.serverStream(methods.read, {})), ['a', 'b', 'c']);
    });

    it('yields what came before a failure, then throws it', async () => {
      server.script.read = async function* () {
        yield { data: Buffer.from('a') };
        throw new StatusError(Code.DataLoss, 'The disk is bad');
      };
      const stream = channel.serverStream(methods.read, {});

      assert.equal(String((await stream.next()).value!.data), 'a');
      await assert.rejects(stream.next(), hasCode(Code.DataLoss));
    });

    it('cancels the call when the loop is left', async () => {
      let hasEnded = false;
      server.script.read = async function* (_request, context) {
        context.onTermination(() => (hasEnded = true));
        yield { data: Buffer.from('a') };
        await never(context);
      };

      for await (const { data } of channel.serverStream(methods.read, {})) {
        assert.equal(String(data), 'a');
        break;
      }

      await until(() => hasEnded);
    });

    it('ends when the signal aborts', async () => {
      const controller = new AbortController();
      server.script.read = async function* (_request, context) {
        yield { data: Buffer.from('a') };
        await never(context);
      };
      const stream = channel.serverStream(methods.read, {}, {}, controller.signal);
      await stream.next();

      controller.abort();

      await assert.rejects(stream.next(), hasCode(Code.Cancelled));
    });

    it('gives up on a server that stands still, but not on a reader that does', async () => {
      server.script.read = async function* (_request, context) {
        yield { data: Buffer.from('a') };
        await never(context);
      };
      const stream = channel.serverStream(methods.read, {}, { stallTimeoutMs: 100 });
      await stream.next();

      await assert.rejects(stream.next(), (reason) => {
        assert.ok(reason instanceof StatusError);
        assert.equal(reason.code, Code.DeadlineExceeded);
        assert.ok(reason.message.includes(`${server.url}: the server has not moved for 0.1 s`));
        return true;
      });
    });
  });

  describe('streaming requests', () => {
    it('sends all of them and returns the answer', async () => {
      server.script.write = async (stream) => {
        let committedSize = 0;
        for await (const { data } of stream) committedSize += data.length;
        return { committedSize };
      };

      const { committedSize } = await channel.clientStream(methods.write, requests('ab', 'c'));

      assert.equal(committedSize, 3);
    });

    it('takes an early answer without asking for the rest (BS-11)', async () => {
      server.script.write = async () => ({ committedSize: 7 });
      let isClosed = false;
      const endless = async function* (): AsyncGenerator<bytestream.WriteRequest.$Properties> {
        try {
          for (;;) yield { data: Buffer.alloc(64 * 1024) };
        } finally {
          isClosed = true;
        }
      };

      assert.equal((await channel.clientStream(methods.write, endless())).committedSize, 7);

      await until(() => isClosed);
    });

    it('takes an early answer while the source of requests is busy', async () => {
      server.script.write = async () => ({ committedSize: 7 });
      const stuck = async function* (): AsyncGenerator<bytestream.WriteRequest.$Properties> {
        yield { data: Buffer.from('a') };
        await new Promise(() => undefined);
      };

      assert.equal((await channel.clientStream(methods.write, stuck())).committedSize, 7);
    });

    it('rejects with an early failure of the server', async () => {
      server.script.write = async () => {
        throw new StatusError(Code.ResourceExhausted, 'The disk is full');
      };

      await assert.rejects(channel.clientStream(methods.write, requests('a')), hasCode(Code.ResourceExhausted));
    });

    it('cancels the call and throws as it is what the source of requests failed with', async () => {
      const failure = new Error('unreadable');
      let outcome: unknown;
      server.script.write = async (stream, context) => {
        for await (const request of stream) outcome = request;
        await never(context).catch((reason: unknown) => (outcome = reason));
        return {};
      };
      const broken = async function* (): AsyncGenerator<bytestream.WriteRequest.$Properties> {
        yield { data: Buffer.from('a') };
        await until(() => outcome !== undefined);
        throw failure;
      };

      await assert.rejects(channel.clientStream(methods.write, broken()), (reason) => reason === failure);

      await until(() => outcome instanceof StatusError);
    });

    it('gives up on a server that does not read, or does not answer', async () => {
      server.script.write = (_stream, context) => never(context);
      const endless = async function* (): AsyncGenerator<bytestream.WriteRequest.$Properties> {
        for (;;) yield { data: Buffer.alloc(1024 * 1024) };
      };
      const options = { stallTimeoutMs: 100 };

      await assert.rejects(channel.clientStream(methods.write, endless(), options), hasCode(Code.DeadlineExceeded));
      await assert.rejects(channel.clientStream(methods.write, requests('a'), options), hasCode(Code.DeadlineExceeded));
    });
  });
});

async function* requests(...texts: readonly string[]): AsyncGenerator<bytestream.WriteRequest.$Properties> {
  for (const text of texts) yield { data: Buffer.from(text) };
}
