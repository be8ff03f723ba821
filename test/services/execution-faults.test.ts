import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { methods } from '../../src/client/method.js';
import { retryDelayMsOf } from '../../src/client/error-details.js';
import { Code, codeName } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { Digest } from '../../src/digest/digest.js';
import { reapi, rwapi, type longrunning } from '../../src/proto/index.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import { GrpcLine, framed } from '../helpers/grpc-line.js';
import { WireBench } from '../helpers/wire-bench.js';

const { InvalidArgument, NotFound, FailedPrecondition, ResourceExhausted, Unavailable, Unimplemented } = Code;
const { GITSHA1: unknownFunction } = reapi.DigestFunction.Value;
const hash = 'a'.repeat(64);
const unknownName = `main/operations/${randomUUID()}`;
const bot = { botId: 'bot', status: rwapi.BotStatus.OK };
const many = (count: number) => Array.from({ length: count }, (_, index) => ({ id: String(index) }));

type Case<Request> = readonly [title: string, code: Code, request: Request];

/** Every method of Execution, Operations and Bots, with what is wrong on the wire: sections 5, 7 and 10, and RT-1. */
describe('Execution over the wire', () => {
  let bench: WireBench;

  beforeEach(async () => {
    bench = await WireBench.open({ propertyKeys: ['pool'], maxQueued: 2 });
  });

  afterEach(() => bench[Symbol.asyncDispose]());

  async function reasonOf(call: Promise<unknown>): Promise<StatusError> {
    const reason: unknown = await call.then(
      () => assert.fail('It was accepted'),
      (why: unknown) => why,
    );
    assert.ok(reason instanceof StatusError, String(reason));
    return reason;
  }

  /** The call is refused for good, and the server still answers. */
  async function refuses(call: () => Promise<unknown>, code: Code): Promise<void> {
    const reason = await reasonOf(call());
    assert.equal(codeName(reason.code), codeName(code), reason.message);
    assert.ok(reason.message.length > 10, `It says ${reason.message}`);
    assert.deepEqual((await bench.channel.unary(methods.listOperations, { name: 'main' })).operations, []);
  }

  const first = async <T>(stream: AsyncGenerator<T>): Promise<unknown> => {
    for await (const message of stream) return message;
    return undefined;
  };

  function unaryTable<Request extends object>(
    name: string,
    call: (request: Request) => Promise<unknown>,
    cases: readonly Case<Request>[],
  ): void {
    for (const [title, code, request] of cases) {
      it(`${name} refuses ${title}`, () => refuses(() => call(request), code));
    }
  }

  const digestCases: readonly Case<reapi.ExecuteRequest.$Properties>[] = [
    ['no action digest', InvalidArgument, {}],
    ['a digest whose hash is no hash', InvalidArgument, { actionDigest: { hash: '../../etc', sizeBytes: 1 } }],
    ['a digest in upper case', InvalidArgument, { actionDigest: { hash: hash.toUpperCase(), sizeBytes: 1 } }],
    ['a negative size', InvalidArgument, { actionDigest: { hash, sizeBytes: -1 } }],
    ['a size that is no number of bytes', InvalidArgument, { actionDigest: { hash, sizeBytes: 2 ** 60 } }],
    [
      'a digest function that is not offered',
      InvalidArgument,
      { actionDigest: { hash, sizeBytes: 1 }, digestFunction: unknownFunction },
    ],
    [
      'a function that does not fit the hash',
      InvalidArgument,
      { actionDigest: { hash, sizeBytes: 1 }, digestFunction: reapi.DigestFunction.Value.SHA1 },
    ],
    ['an unknown instance (INST-2)', InvalidArgument, { instanceName: 'nowhere' }],
    ['an instance without execution', Unimplemented, { instanceName: 'cache-only' }],
    ['a name that is no instance', InvalidArgument, { instanceName: 'a//b' }],
    ['an Action that is not in the CAS (EX-9)', FailedPrecondition, { actionDigest: { hash, sizeBytes: 7 } }],
  ];
  for (const [title, code, request] of digestCases) {
    it(`Execute refuses ${title}`, () => refuses(() => first(bench.execute(request)), code));
  }

  for (const [title, code, name] of [
    ['an empty name', InvalidArgument, ''],
    ['a name without operation', InvalidArgument, 'main'],
    ['a name whose id is none', InvalidArgument, "main/operations/' OR 1=1 --"],
    ['a name of a megabyte', InvalidArgument, `main/operations/${'x'.repeat(1 << 20)}`],
    ['an operation of an unknown instance', InvalidArgument, `nowhere/operations/${randomUUID()}`],
    ['an unknown operation (EX-4, OP-1)', NotFound, unknownName],
  ] as const) {
    it(`WaitExecution and all of Operations refuse ${title}`, async () => {
      await refuses(() => first(bench.channel.serverStream(methods.waitExecution, { name })), code);
      await refuses(() => bench.channel.unary(methods.getOperation, { name }), code);
      await refuses(() => bench.channel.unary(methods.waitOperation, { name, timeout: { seconds: 1 } }), code);
      await refuses(() => bench.channel.unary(methods.cancelOperation, { name }), code);
      await refuses(() => bench.channel.unary(methods.deleteOperation, { name }), code);
    });
  }

  unaryTable<longrunning.ListOperationsRequest.$Properties>(
    'ListOperations',
    (request) => bench.channel.unary(methods.listOperations, request),
    [
      ['an unknown instance', InvalidArgument, { name: 'nowhere' }],
      ['a negative page size (OP-3)', InvalidArgument, { name: 'main', pageSize: -1 }],
      ['a page token that it has not given (OP-3)', InvalidArgument, { name: 'main', pageToken: 'garbage' }],
      ['an unknown filter (OP-3)', InvalidArgument, { name: 'main', filter: 'colour=red' }],
      ['a filter that is none', InvalidArgument, { name: 'main', filter: '&&&' }],
      ['a time that is none', InvalidArgument, { name: 'main', filter: 'queued_time>soon' }],
      ['a stage that is none', InvalidArgument, { name: 'main', filter: 'stage=sleeping' }],
    ],
  );

  unaryTable<rwapi.CreateBotSessionRequest.$Properties>(
    'CreateBotSession',
    (request) => bench.channel.unary(methods.createBotSession, request),
    [
      ['no session (RW-2)', InvalidArgument, { parent: 'main' }],
      ['no bot_id (RW-2)', InvalidArgument, { parent: 'main', botSession: { ...bot, botId: '' } }],
      ['no status (RW-2)', InvalidArgument, { parent: 'main', botSession: { botId: 'bot' } }],
      ['an unknown parent (RW-2)', InvalidArgument, { parent: 'nowhere', botSession: bot }],
      ['a bot_id without end', InvalidArgument, { parent: 'main', botSession: { ...bot, botId: 'x'.repeat(1_025) } }],
      ['leases without end', InvalidArgument, { parent: 'main', botSession: { ...bot, leases: many(101) } }],
      [
        'a worker without end',
        InvalidArgument,
        {
          parent: 'main',
          botSession: { ...bot, worker: { properties: [{ key: 'k', value: 'v'.repeat(65_536) }] } },
        },
      ],
    ],
  );

  unaryTable<rwapi.UpdateBotSessionRequest.$Properties>(
    'UpdateBotSession',
    (request) => bench.channel.unary(methods.updateBotSession, request),
    [
      ['no session (RW-2)', InvalidArgument, { name: 'main/x' }],
      ['names that differ (RW-2)', InvalidArgument, { name: 'main/x', botSession: { ...bot, name: 'main/y' } }],
      ['an unknown session (RW-2)', InvalidArgument, { name: 'main/x', botSession: { ...bot, name: 'main/x' } }],
      ['an unknown instance', InvalidArgument, { name: 'nowhere/x', botSession: { ...bot, name: 'nowhere/x' } }],
      ['an empty name', InvalidArgument, { name: '', botSession: bot }],
    ],
  );

  for (const [service, method] of [
    [serviceNames.execution, 'Execute'],
    [serviceNames.execution, 'WaitExecution'],
    [serviceNames.operations, 'ListOperations'],
    [serviceNames.operations, 'GetOperation'],
    [serviceNames.operations, 'WaitOperation'],
    [serviceNames.operations, 'CancelOperation'],
    [serviceNames.operations, 'DeleteOperation'],
    [serviceNames.bots, 'CreateBotSession'],
    [serviceNames.bots, 'UpdateBotSession'],
  ] as const) {
    it(`${method} ends a call whose message does not decode, and serves on`, async () => {
      using line = await GrpcLine.connect(bench.server.url);
      const stream = line.open(`/${service}/${method}`);
      const status = statusOf(stream);
      stream.end(framed(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])));

      // What grpc-js makes of it.
      assert.equal(await status, String(Code.Internal));
      assert.deepEqual((await bench.channel.unary(methods.listOperations, { name: 'main' })).operations, []);
    });
  }

  it('refuses one job more than may wait, and says when to come again (RT-1)', async () => {
    for (const name of ['a', 'b']) await first(bench.execute(await requestOf(name)));

    const reason = await reasonOf(first(bench.execute(await requestOf('c'))));

    assert.equal(reason.code, ResourceExhausted);
    assert.equal(retryDelayMsOf(reason), 10_000);
    // Whoever joins a job that waits takes no place.
    assert.ok(await first(bench.execute(await requestOf('a'))));
  });

  it('refuses new work while it drains, and ends streams and held calls, with UNAVAILABLE (RT-3, RW-2)', async () => {
    const stream = bench.execute(await requestOf('a'));
    await stream.next();
    const session = await bench.createSession({ ...bot, worker: { properties: [{ key: 'pool', value: 'b' }] } });
    const leases = session.leases.map(({ id }) => ({ id: id ?? '', state: rwapi.LeaseState.ACTIVE }));
    const ended = reasonOf(stream.next());
    const held = reasonOf(
      bench.channel.unary(
        methods.updateBotSession,
        { name: session.name, botSession: { ...bot, name: session.name, leases } },
        { timeoutMs: 60_000, headers: { 'bgd-hold-busy': '1' } },
      ),
    );

    await bench.actions.jobs.scheduler[Symbol.asyncDispose]();
    const refused = await reasonOf(first(bench.execute(await requestOf('b'))));
    await bench.server[Symbol.asyncDispose]();

    assert.deepEqual(
      [refused.code, (await ended).code, (await held).code].map(codeName),
      [Unavailable, Unavailable, Unavailable].map(codeName),
    );
  });

  async function requestOf(name: string): Promise<reapi.ExecuteRequest.$Properties> {
    const actionDigest: Digest = await bench.actions.action({ arguments: [name] });
    return { actionDigest: actionDigest.toProto() };
  }
});

function statusOf(stream: ReturnType<GrpcLine['open']>): Promise<string> {
  return new Promise((resolve) => {
    const look = (headers: object): void => {
      if ('grpc-status' in headers) resolve(String(headers['grpc-status']));
    };
    stream.on('response', look).on('trailers', look);
    stream.on('error', (reason: Error) => resolve(reason.message));
    stream.resume();
  });
}
