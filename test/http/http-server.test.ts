import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { HttpHandler } from '../../src/http/http-exchange.js';
import { HttpServer } from '../../src/http/http-server.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { hasCode } from '../helpers/has-code.js';
import { RecordingLogger } from '../helpers/recording-logger.js';
import { until } from '../helpers/until.js';

describe('HttpServer', () => {
  const clock = new FakeClock();
  let logger: RecordingLogger;

  async function listen(handler: HttpHandler, port = 0): Promise<HttpServer> {
    logger = new RecordingLogger();
    return HttpServer.listen({ hosts: ['127.0.0.1'], port, handler, logger, clock });
  }

  it('says with a status and a sentence what went wrong, and logs only what it did not expect', async () => {
    await using server = await listen(async ({ path }) => {
      if (path === '/away') throw new StatusError(Code.Unavailable, 'S3 is away');
      throw new TypeError('our mistake');
    });

    const away = await fetch(`${server.url}/away`);
    const mistake = await fetch(server.url);

    assert.deepEqual([away.status, await away.text()], [503, 'S3 is away\n']);
    assert.equal(mistake.status, 500);
    await mistake.text();
    assert.equal(logger.lines.length, 1);
  });

  it('answers a failure to start reading by a status, and cuts the line on a later one', async () => {
    await using server = await listen(async ({ path }) => ({
      status: 200,
      sizeBytes: 4,
      body: breaking(path === '/late'),
    }));

    const early = await fetch(server.url);
    await early.text();

    assert.equal(early.status, 404);
    await assert.rejects(fetch(`${server.url}/late`).then((response) => response.text()));
  });

  it('holds a producer back whose reader is slow (U4)', async () => {
    let produced = 0;
    await using server = await listen(async () => ({
      status: 200,
      sizeBytes: 1_000 * 1024 * 1024,
      body: (async function* () {
        for (; produced < 1_000; produced += 1) yield Buffer.alloc(1024 * 1024);
      })(),
    }));

    const asked = get(server.url);
    asked.on('error', () => undefined);
    const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
    await once(response, 'readable');
    const stalledAt = await settled(() => produced);
    asked.destroy();

    assert.ok(stalledAt < 100, `${stalledAt} MiB were produced for a reader that reads nothing`);
  });

  it('tells the handler that the client has gone', async () => {
    let isAsked = false;
    let isAborted = false;
    await using server = await listen(async ({ signal }) => {
      isAsked = true;
      await once(signal, 'abort');
      isAborted = true;
      return { status: 200 };
    });
    const asked = get(server.url);
    asked.on('error', () => undefined);
    await until(() => isAsked);

    asked.destroy();

    await until(() => isAborted);
  });

  it('lets a request finish when it is stopped, and cuts it off after the grace time', async () => {
    let isAsked = false;
    const server = await listen(async ({ signal }) => {
      isAsked = true;
      await once(signal, 'abort');
      return { status: 200 };
    });
    const asked = fetch(server.url).then(
      () => 'answered',
      () => 'cut off',
    );
    await until(() => isAsked);

    const stopped = server[Symbol.asyncDispose]();
    await until(() => clock.sleepers > 0);
    clock.advance(10_000);
    await stopped;

    assert.equal(await asked, 'cut off');
  });

  it('refuses a port that is taken by name', async () => {
    await using server = await listen(async () => ({ status: 200 }));

    await assert.rejects(
      listen(async () => ({ status: 200 }), Number(new URL(server.url).port)),
      hasCode(Code.Unavailable),
    );
  });
});

async function* breaking(isLate: boolean): AsyncIterable<Uint8Array> {
  if (isLate) yield Buffer.from('ab');
  throw new StatusError(Code.NotFound, 'not there');
}

/** What `value` gives once it has stayed the same for some turns of the event loop. */
async function settled(value: () => number): Promise<number> {
  let last = value();
  for (let same = 0; same < 200;) {
    await new Promise((resolve) => setImmediate(resolve));
    same = value() === last ? same + 1 : 0;
    last = value();
  }
  return last;
}
