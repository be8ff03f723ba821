import assert from 'node:assert/strict';
import { missingBlobsOf } from '../../src/client/error-details.js';
import { ExecutionClient } from '../../src/client/execution-client.js';
import { executeMetadataOf, executeResponseOf, executionFailureOf } from '../../src/client/operation-messages.js';
import { openChannel } from '../../src/client/open-channel.js';
import { systemClock } from '../../src/common/clock.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { missingBlobsError } from '../../src/digest/missing-blobs.js';
import { packAny } from '../../src/proto/any.js';
import { reapi, rpc, type longrunning } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';
import { ScriptedServer, type Script } from '../helpers/scripted-server.js';
import { scriptedRemote, type ScriptedRemote } from '../helpers/scripted-remote.js';

const packageName = 'build.bazel.remote.execution.v2';
const { Value: Stage } = reapi.ExecutionStage;
const actionDigest = Digest.of(Buffer.from('action'));
const unavailable = new StatusError(Code.Unavailable, 'The server is stopping');

function operation(name: string, stage: reapi.ExecutionStage.Value): longrunning.Operation.$Properties {
  const metadata = { stage, actionDigest: actionDigest.toProto() };
  return {
    name,
    metadata: packAny(`${packageName}.ExecuteOperationMetadata`, reapi.ExecuteOperationMetadata, metadata),
  };
}

function done(name: string, response: reapi.ExecuteResponse.$Properties = {}): longrunning.Operation.$Properties {
  return {
    ...operation(name, Stage.COMPLETED),
    done: true,
    response: packAny(`${packageName}.ExecuteResponse`, reapi.ExecuteResponse, response),
  };
}

async function* states(
  ...given: readonly (longrunning.Operation.$Properties | StatusError)[]
): AsyncGenerator<longrunning.Operation.$Properties> {
  for (const each of given) {
    if (each instanceof StatusError) throw each;
    yield each;
  }
}

describe('ExecutionClient', () => {
  let scripted: ScriptedRemote;
  let client: ExecutionClient;

  beforeEach(async () => {
    scripted = await scriptedRemote();
    client = new ExecutionClient(scripted.remote);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  const script = (change: Script): Script => Object.assign(scripted.server.script, change);

  async function run(stream: AsyncIterable<longrunning.Operation> = client.execute({ actionDigest })) {
    const seen: longrunning.Operation[] = [];
    for await (const each of stream) seen.push(each);
    return seen;
  }

  it('tells each state of the operation and ends when it is done (EX-1)', async () => {
    const requests: reapi.ExecuteRequest[] = [];
    script({
      execute: (request) => {
        requests.push(request);
        return states(operation('op', Stage.QUEUED), operation('op', Stage.EXECUTING), done('op'));
      },
    });

    const seen = await run(
      client.execute({
        actionDigest,
        skipCacheLookup: true,
        priority: -3,
        inlineStdout: true,
        inlineOutputFiles: ['a'],
      }),
    );

    assert.deepEqual(
      seen.map((each) => executeMetadataOf(each)?.stage),
      [Stage.QUEUED, Stage.EXECUTING, Stage.COMPLETED],
    );
    const [request] = requests;
    assert.equal(request?.instanceName, 'main');
    assert.equal(request.actionDigest?.hash, actionDigest.hash);
    assert.equal(request.skipCacheLookup, true);
    assert.equal(request.executionPolicy?.priority, -3);
    assert.equal(request.inlineStdout, true);
    assert.deepEqual(request.inlineOutputFiles, ['a']);
  });

  for (const [how, end] of [
    ['breaks', [unavailable]],
    ['is cancelled by a proxy', [new StatusError(Code.Cancelled, 'RST_STREAM')]],
    ['ends without a result', []],
  ] as const) {
    it(`goes on with WaitExecution when the stream ${how} (RT-2)`, async () => {
      const names: string[] = [];
      script({
        execute: () => states(operation('main/operations/1', Stage.QUEUED), ...end),
        waitExecution: ({ name }) => {
          names.push(name);
          return names.length < 3 ? states(operation(name, Stage.EXECUTING), ...end) : states(done(name));
        },
      });

      const seen = await run();

      assert.deepEqual(names, new Array(3).fill('main/operations/1'));
      assert.equal(seen.at(-1)?.done, true);
      assert.equal(scripted.server.count('execute'), 1);
      assert.deepEqual(scripted.clock.slept, [100, 200, 400]);
    });
  }

  it('executes again when the stream breaks before the first operation (RT-2)', async () => {
    let calls = 0;
    script({ execute: () => ((calls += 1) < 4 ? states(unavailable) : states(done('op'))) });

    await run();

    assert.deepEqual(scripted.server.calls, ['execute', 'execute', 'execute', 'execute']);
    assert.deepEqual(scripted.clock.slept, [100, 200, 400]);
  });

  it('has patience for minutes, then gives up (U2)', async () => {
    script({
      execute: () => states(operation('op', Stage.QUEUED), unavailable),
      waitExecution: () => states(unavailable),
    });
    const began = scripted.clock.now();

    await assert.rejects(run(), hasCode(Code.Unavailable));

    const patienceMs = scripted.clock.now() - began;
    assert.ok(patienceMs >= 300_000 && patienceMs < 310_000, String(patienceMs));
    assert.ok(scripted.server.count('waitExecution') < 70);
    assert.equal(Math.max(...scripted.clock.slept), 5_000);
  });

  it('has as much patience as it is told to', async () => {
    script({
      execute: () => states(operation('op', Stage.QUEUED), unavailable),
      waitExecution: () => states(unavailable),
    });
    const began = scripted.clock.now();

    await assert.rejects(run(new ExecutionClient(scripted.remote, { patienceMs: 1_000 }).execute({ actionDigest })));

    assert.ok(scripted.clock.now() - began < 2_000);
  });

  it('survives a restart of the server', async () => {
    script({ execute: () => states(operation('op', Stage.QUEUED), unavailable) });
    const port = Number(new URL(scripted.server.url).port);
    const { channel } = scripted.remote;
    const retryPolicy = { maxAttempts: 3, initialDelayMs: 10, maxDelayMs: 20 };
    const stream = new ExecutionClient({ channel, instanceName: '', retryPolicy }).execute({ actionDigest });

    const first = await stream.next();
    await scripted.server[Symbol.asyncDispose]();
    const rest = run(stream);
    // Longer than the attempts of any other call would last.
    await systemClock.sleep(300);
    const answer: Script = { waitExecution: ({ name }) => states(done(name)) };
    await using second = await ScriptedServer.listen(answer, { host: '127.0.0.1', port });

    assert.equal((first.value as longrunning.Operation).name, 'op');
    assert.deepEqual(
      (await rest).map(({ name, done: isDone }) => [name, isDone]),
      [['op', true]],
    );
    assert.equal(second.count('execute'), 0);
  });

  it('executes anew an operation that the server has lost, but not for ever', async () => {
    const lost = new StatusError(Code.NotFound, 'No such operation');
    let calls = 0;
    script({
      execute: () =>
        (calls += 1) < 3 ? states(operation(`op ${calls}`, Stage.QUEUED), unavailable) : states(done('op')),
      waitExecution: () => states(lost),
    });

    assert.equal((await run()).at(-1)?.done, true);
    assert.equal(scripted.server.count('execute'), 3);

    calls = -Infinity;
    await assert.rejects(run(), hasCode(Code.NotFound));
    assert.equal(scripted.server.count('execute'), 3 + 5);
  });

  it('hands on at once that blobs are missing, naming them (CL-4)', async () => {
    script({ execute: () => states(missingBlobsError([actionDigest])) });

    await assert.rejects(run(), (reason) => {
      assert.deepEqual(missingBlobsOf(reason), [actionDigest]);
      return true;
    });
    assert.equal(scripted.server.count('execute'), 1);
  });

  it('executes again what the response calls a passing failure, as late as it asks, and then tells it', async () => {
    const { type_url, value } = packAny('google.rpc.RetryInfo', rpc.RetryInfo, { retryDelay: { seconds: 9 } });
    const busy = { status: { code: Code.ResourceExhausted, message: 'Busy', details: [{ type_url, value }] } };
    let calls = 0;
    script({ execute: () => states(operation('op', Stage.QUEUED), (calls += 1) < 3 ? done('op', busy) : done('op')) });

    const seen = await run();

    assert.equal(seen.filter((each) => each.done).length, 1);
    assert.equal(executionFailureOf(seen.at(-1)!), undefined);
    assert.deepEqual(scripted.clock.slept, [9_000, 9_000]);

    calls = -Infinity;
    assert.equal(executionFailureOf((await run()).at(-1)!)?.code, Code.ResourceExhausted);
    assert.equal(scripted.server.count('execute'), 3 + 5);
  });

  it('does not execute again what has failed for good', async () => {
    for (const code of [Code.DeadlineExceeded, Code.FailedPrecondition, Code.InvalidArgument, Code.Cancelled]) {
      script({ execute: () => states(done('op', { status: { code, message: 'No' }, result: { exitCode: 3 } })) });

      const [last] = await run();

      assert.equal(executionFailureOf(last!)?.code, code);
      assert.equal(executeResponseOf(last!)?.result?.exitCode, 3);
    }
    assert.equal(scripted.server.count('execute'), 4);
  });

  it('fails at once when no server is there', async () => {
    using channel = await openChannel({ url: 'grpc://127.0.0.1:1' });
    const nowhere = new ExecutionClient({ ...scripted.remote, channel });

    await assert.rejects(run(nowhere.execute({ actionDigest })), /is the server running\?/);
    assert.deepEqual(scripted.clock.slept, []);
  });

  it('stops listening when the signal aborts', async () => {
    const controller = new AbortController();
    script({
      execute: async function* (_request, { signal }) {
        yield operation('op', Stage.QUEUED);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    });
    const stream = client.execute({ actionDigest }, controller.signal);
    await stream.next();

    controller.abort();

    await assert.rejects(stream.next(), hasCode(Code.Cancelled));
    assert.deepEqual(scripted.server.calls, ['execute']);
  });

  it('waits for a known operation, and does not execute one that is not known (EX-4)', async () => {
    script({ waitExecution: ({ name }) => states(operation(name, Stage.EXECUTING), done(name)) });
    assert.equal((await run(client.wait('main/operations/1'))).length, 2);

    script({ waitExecution: () => states(new StatusError(Code.NotFound, 'No such operation')) });
    await assert.rejects(run(client.wait('main/operations/2')), hasCode(Code.NotFound));

    assert.deepEqual(scripted.server.calls, ['waitExecution', 'waitExecution']);
  });
});
