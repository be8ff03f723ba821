import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Client, Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import { Code } from '../../src/common/code.js';
import { silentLogger } from '../../src/common/logger.js';
import { StatusError } from '../../src/common/status-error.js';
import { bytestream, health, reapi, rpc } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { GrpcServer, type ServiceMap } from '../../src/server/grpc-server.js';
import type { CallContext } from '../../src/services/call-context.js';

const loopback = { host: '127.0.0.1', port: 0 };

function methodOf(service: string, name: string): ReturnType<typeof serviceDefinition>[string] {
  return serviceDefinition(service)[name]!;
}

/** A service whose methods are scripted; those that are not must not be called. */
function byteStream(methods: object): ServiceMap {
  const unexpected = (): never => assert.fail('unexpected call');
  return {
    'google.bytestream.ByteStream': { read: unexpected, write: unexpected, queryWriteStatus: unexpected, ...methods },
  };
}

describe('GrpcServer', () => {
  let server: GrpcServer | undefined;
  let client: Client | undefined;

  async function start(services: ServiceMap, stopGraceMs = 10_000): Promise<Client> {
    server = await GrpcServer.listen({ addresses: [loopback], services, logger: silentLogger, stopGraceMs });
    client = new Client(server.url.replace('grpc://', ''), credentials.createInsecure());
    return client;
  }

  afterEach(async () => {
    client?.close();
    await server?.[Symbol.asyncDispose]();
    client = server = undefined;
  });

  function query(caller: Client, metadata = new Metadata()): Promise<bytestream.QueryWriteStatusResponse> {
    const { path, requestSerialize, responseDeserialize } = methodOf(
      'google.bytestream.ByteStream',
      'queryWriteStatus',
    );
    return new Promise((resolve, reject) => {
      const request = bytestream.QueryWriteStatusRequest.create({ resourceName: 'x' });
      caller.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, response) => {
        if (error) reject(error);
        else resolve(response as bytestream.QueryWriteStatusResponse);
      });
    });
  }

  it('answers a unary call with what the method returns', async () => {
    const caller = await start(
      byteStream({ queryWriteStatus: async () => ({ committedSize: 2 ** 40 + 1, complete: true }) }),
    );

    const response = await query(caller);

    assert.equal(response.committedSize, 2 ** 40 + 1);
    assert.equal(response.complete, true);
  });

  it('tells the code, the text and the details of a failure', async () => {
    const details = [{ typeUrl: 'type.googleapis.com/google.rpc.RetryInfo', value: Buffer.from([1]) }];
    const failing = async (): Promise<never> => {
      throw new StatusError(Code.ResourceExhausted, 'queue full', { details });
    };
    const caller = await start(byteStream({ queryWriteStatus: failing }));

    const error = await query(caller).catch((reason: unknown) => reason as ServiceError);

    assert.ok('code' in error);
    assert.equal(error.code, Code.ResourceExhausted);
    assert.equal(error.details, 'queue full');
    const status = rpc.Status.decode(error.metadata.get('grpc-status-details-bin')[0] as Buffer);
    assert.equal(status.details[0]?.type_url, details[0]?.typeUrl);
  });

  it('answers a call whose method throws before it has returned anything', async () => {
    const caller = await start(
      byteStream({
        queryWriteStatus: () => {
          throw new StatusError(Code.OutOfRange, 'at once');
        },
      }),
    );

    const error = await query(caller).catch((reason: unknown) => reason as ServiceError);

    assert.equal(StatusError.from(error).message, '11 OUT_OF_RANGE: at once');
  });

  it('hands the method the deadline, headers and RequestMetadata of the call', async () => {
    let seen: CallContext | undefined;
    const caller = await start(
      byteStream({
        queryWriteStatus: async (_request: unknown, context: CallContext) => {
          seen = context;
          return {};
        },
      }),
    );
    const metadata = new Metadata();
    metadata.set('x-test', 'yes');
    const header = reapi.RequestMetadata.encode({ toolInvocationId: 'invocation' }).finish();
    metadata.set('build.bazel.remote.execution.v2.requestmetadata-bin', Buffer.from(header));

    await query(caller, metadata);

    assert.equal(seen?.requestMetadata?.toolInvocationId, 'invocation');
    assert.equal(seen.header('x-test'), 'yes');
    assert.equal(seen.deadlineMs, undefined);
    assert.equal(seen.path, '/google.bytestream.ByteStream/QueryWriteStatus');
  });

  it('ignores RequestMetadata that does not decode', async () => {
    let seen: CallContext | undefined;
    const caller = await start(
      byteStream({
        queryWriteStatus: async (_request: unknown, context: CallContext) => {
          seen = context;
          return {};
        },
      }),
    );
    const metadata = new Metadata();
    metadata.set('build.bazel.remote.execution.v2.requestmetadata-bin', Buffer.from([0xff, 0xff]));

    await query(caller, metadata);

    assert.equal(seen?.requestMetadata, undefined);
  });

  it('aborts the signal and runs the termination hooks when the client goes away', async () => {
    const events = new EventTarget();
    const caller = await start(
      byteStream({
        async *read(_request: unknown, context: CallContext) {
          context.onTermination(() => events.dispatchEvent(new Event('terminated')));
          yield { data: Buffer.from('first') };
          await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
        },
      }),
    );
    const { path, requestSerialize, responseDeserialize } = methodOf('google.bytestream.ByteStream', 'read');
    const stream = caller.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {});
    stream.on('error', () => undefined);
    const terminated = once(events, 'terminated');
    await once(stream, 'data');

    stream.cancel();

    await terminated;
  });

  it('answers an upload before it has been read to its end', async () => {
    const caller = await start(byteStream({ write: async () => ({ committedSize: 7 }) }));
    const { path, requestSerialize, responseDeserialize } = methodOf('google.bytestream.ByteStream', 'write');

    const response = await new Promise((resolve, reject) => {
      const stream = caller.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, found) => {
        if (error) reject(error);
        else resolve(found);
      });
      stream.on('error', () => undefined);
      stream.write(bytestream.WriteRequest.create({ data: Buffer.alloc(1024) }));
    });

    assert.equal((response as bytestream.WriteResponse).committedSize, 7);
  });

  it('ends waiting calls at once when it stops, and lets the others finish', async () => {
    const events = new EventTarget();
    const services: ServiceMap = {
      ...byteStream({
        async queryWriteStatus() {
          events.dispatchEvent(new Event('asked'));
          await once(events, 'answer');
          return { committedSize: 3 };
        },
      }),
      'build.bazel.remote.execution.v2.Execution': {
        execute: () => assert.fail('unexpected call'),
        async *waitExecution(_request: unknown, { signal }: CallContext) {
          yield {};
          await once(new EventTarget(), 'never', { signal }).catch(() => signal.throwIfAborted());
        },
      },
    };
    const caller = await start(services);
    const { path, requestSerialize, responseDeserialize } = methodOf(
      'build.bazel.remote.execution.v2.Execution',
      'waitExecution',
    );
    const asked = once(events, 'asked');
    const answer = query(caller);
    const waiting = caller.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {});
    const failure = new Promise<ServiceError>((resolve) =>
      waiting.on('error', (error) => resolve(error as ServiceError)),
    );
    await Promise.all([asked, once(waiting, 'data')]);

    const stopped = server![Symbol.asyncDispose]();
    const { code } = await failure;
    events.dispatchEvent(new Event('answer'));

    assert.equal(code, Code.Unavailable);
    assert.equal((await answer).committedSize, 3);
    await stopped;
  });

  it('serves health, and tells NOT_SERVING once it stops', async () => {
    const caller = await start(byteStream({}));
    const { path, requestSerialize, responseDeserialize } = methodOf('grpc.health.v1.Health', 'watch');
    const stream = caller.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
      service: 'google.bytestream.ByteStream',
    });
    const statuses: number[] = [];
    stream.on('data', (response: health.HealthCheckResponse) => void statuses.push(response.status));
    const ended = new Promise((resolve) => stream.on('status', resolve));
    await once(stream, 'data');

    await server?.[Symbol.asyncDispose]();
    await ended;

    const { SERVING, NOT_SERVING } = health.HealthCheckResponse.ServingStatus;
    assert.deepEqual(statuses, [SERVING, NOT_SERVING]);
  });

  it('says so when its address is taken', async () => {
    await start(byteStream({}));
    const port = Number(new URL(server!.url.replace('grpc:', 'http:')).port);
    const taken = { host: '127.0.0.1', port };

    const second = GrpcServer.listen({ addresses: [taken], services: byteStream({}), logger: silentLogger });

    await assert.rejects(second, (error) => {
      assert.equal(StatusError.from(error).code, Code.Unavailable);
      assert.match(String(error), new RegExp(`Cannot listen on 127.0.0.1:${port}: the address is in use`));
      return true;
    });
  });
});
