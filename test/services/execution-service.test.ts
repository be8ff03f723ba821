import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { unpackAny } from '../../src/proto/any.js';
import { reapi, rpc, type longrunning } from '../../src/proto/index.js';
import { millisecondsOf } from '../../src/proto/timestamp.js';
import { ExecutionService } from '../../src/services/execution-service.js';
import { ActionBench } from '../helpers/action-bench.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { finished, running } from '../helpers/scheduler-bench.js';

type OperationMessage = longrunning.Operation.$Properties;

const { QUEUED, EXECUTING, COMPLETED } = reapi.ExecutionStage.Value;

function metadataOf({ metadata }: OperationMessage): reapi.ExecuteOperationMetadata {
  return unpackAny(
    'build.bazel.remote.execution.v2.ExecuteOperationMetadata',
    reapi.ExecuteOperationMetadata,
    metadata,
  )!;
}

function responseOf({ response }: OperationMessage): reapi.ExecuteResponse {
  return unpackAny('build.bazel.remote.execution.v2.ExecuteResponse', reapi.ExecuteResponse, response)!;
}

describe('ExecutionService', () => {
  let bench: ActionBench;
  let service: ExecutionService;

  beforeEach(async () => {
    bench = await ActionBench.open({ propertyKeys: ['pool'] });
    service = new ExecutionService(bench.registry);
  });

  afterEach(() => bench[Symbol.asyncDispose]());

  function execute(
    actionDigest: Digest | null,
    overrides: reapi.ExecuteRequest.$Properties = {},
    context = fakeCallContext(),
  ): AsyncIterator<OperationMessage> {
    const request = reapi.ExecuteRequest.create({
      instanceName: 'main',
      ...(actionDigest && { actionDigest: actionDigest.toProto() }),
      ...overrides,
    });
    return service.execute(request, context)[Symbol.asyncIterator]();
  }

  async function first(stream: AsyncIterator<OperationMessage>): Promise<OperationMessage> {
    const { value } = (await stream.next()) as { value: OperationMessage };
    await stream.return?.();
    return value;
  }

  async function all(stream: AsyncIterator<OperationMessage>): Promise<OperationMessage[]> {
    const messages = [];
    for (let next = await stream.next(); !next.done; next = await stream.next()) messages.push(next.value);
    return messages;
  }

  async function refusal(stream: AsyncIterator<OperationMessage>, code: Code): Promise<StatusError> {
    const reason: unknown = await stream.next().then(
      () => assert.fail('It was accepted'),
      (why: unknown) => why,
    );
    assert.ok(reason instanceof StatusError, String(reason));
    assert.equal(reason.code, code, reason.message);
    return reason;
  }

  const wait = (name: string): AsyncIterator<OperationMessage> =>
    service.waitExecution(reapi.WaitExecutionRequest.create({ name }), fakeCallContext())[Symbol.asyncIterator]();

  it('streams the operation from the first state to the response (EX-1, EX-2)', async () => {
    const actionDigest = await bench.action();
    const stream = execute(actionDigest);
    const messages: OperationMessage[] = [];
    messages.push((await stream.next()).value as OperationMessage);
    const session = await bench.jobs.connect('bot');
    const { id } = session.leases[0]!;
    await bench.jobs.update(session, [running(id)]);
    messages.push((await stream.next()).value as OperationMessage);
    await bench.jobs.update(session, [finished(id)]);
    messages.push(...(await all(stream)));

    assert.deepEqual(
      messages.map((message) => metadataOf(message).stage),
      [QUEUED, EXECUTING, COMPLETED],
    );
    assert.deepEqual(
      messages.map(({ done }) => done),
      [false, false, true],
    );
    assert.deepEqual(
      messages.map(({ error, response }) => [error ?? undefined, response !== undefined]),
      [
        [undefined, false],
        [undefined, false],
        [undefined, true],
      ],
    );
    assert.equal(responseOf(messages[2]!).status?.code ?? Code.Ok, Code.Ok);
    const [metadata] = messages.map(metadataOf);
    assert.ok(actionDigest.equals(Digest.fromProto(metadata?.actionDigest, actionDigest.function)));
    assert.equal(metadata?.digestFunction, reapi.DigestFunction.Value.SHA256);
    assert.equal(millisecondsOf(metadata.partialExecutionMetadata?.queuedTimestamp), bench.jobs.clock.now());
  });

  it('names operations after their instance, and without it where that is empty (EX-3)', async () => {
    const named = await first(execute(await bench.action()));
    const unnamed = await first(execute(await bench.action(), { instanceName: '' }));

    assert.match(named.name ?? '', /^main\/operations\/[0-9a-f-]{36}$/);
    assert.match(unnamed.name ?? '', /^operations\/[0-9a-f-]{36}$/);
    assert.equal((await first(wait(unnamed.name!))).name, unnamed.name);
  });

  it('waits on by name, and tells of a finished operation in one message (EX-4)', async () => {
    const { name } = await first(execute(await bench.action()));
    const queued = await first(wait(name!));
    await bench.jobs.work();

    const messages = await all(wait(name!));

    assert.equal(metadataOf(queued).stage, QUEUED);
    assert.deepEqual(
      messages.map(({ done }) => done),
      [true],
    );
  });

  it("waits on by BuildGrid's forms of a name", async () => {
    const named = await first(execute(await bench.action()));
    const unnamed = await first(execute(await bench.action(), { instanceName: '' }));
    const uuid = (name: string): string => name.slice(name.lastIndexOf('/') + 1);

    assert.equal((await first(wait(`main/${uuid(named.name!)}`))).name, named.name);
    assert.equal((await first(wait(`/${uuid(unnamed.name!)}`))).name, unnamed.name);
  });

  it('does not find what it does not know, and refuses what is no name (EX-4, OP-1)', async () => {
    await refusal(wait(`main/operations/${randomUUID()}`), Code.NotFound);
    await refusal(wait('main/operations/first'), Code.InvalidArgument);
    await refusal(wait(`elsewhere/operations/${randomUUID()}`), Code.InvalidArgument);
    await refusal(wait(''), Code.InvalidArgument);
  });

  it('refuses an unknown instance, and one that does not execute (INST-2)', async () => {
    const actionDigest = await bench.action();

    await refusal(execute(actionDigest, { instanceName: 'unknown' }), Code.InvalidArgument);
    await refusal(execute(actionDigest, { instanceName: 'cache-only' }), Code.Unimplemented);
  });

  it('names the blob of an Action that is missing as MISSING and nothing else (EX-9)', async () => {
    const absent = Digest.of(Buffer.from('absent'));

    const { details } = await refusal(execute(absent), Code.FailedPrecondition);

    assert.equal(details.length, 1);
    const { violations } = rpc.PreconditionFailure.decode(details[0]!.value);
    assert.deepEqual(
      violations.map(({ type, subject }) => [type, subject]),
      [['MISSING', `blobs/${absent.hash}/${absent.sizeBytes}`]],
    );
  });

  it('names all that is missing of Command and input root at once (EX-9)', async () => {
    const [commandDigest, inputRootDigest] = ['command', 'root'].map((text) => Digest.of(Buffer.from(text)).toProto());

    const { details } = await refusal(
      execute(await bench.putAction({ commandDigest: commandDigest!, inputRootDigest: inputRootDigest! })),
      Code.FailedPrecondition,
    );

    const { violations } = rpc.PreconditionFailure.decode(details[0]!.value);
    assert.deepEqual(
      new Set(violations.map(({ subject }) => subject?.split('/')[1])),
      new Set([commandDigest?.hash, inputRootDigest?.hash]),
    );
  });

  it('refuses a digest that is unset or malformed (DIG-1, DIG-3)', async () => {
    await refusal(execute(null), Code.InvalidArgument);
    await refusal(execute(null, { actionDigest: { hash: 'XYZ', sizeBytes: 1 } }), Code.InvalidArgument);
  });

  it('refuses an Action that does not decode', async () => {
    await refusal(execute(await bench.put(Buffer.from('{"not": "an Action"}'))), Code.InvalidArgument);
  });

  it('refuses an Action that is larger than any message', async () => {
    const digest = Digest.from('0'.repeat(64), 1e12);

    await refusal(execute(digest), Code.InvalidArgument);
  });

  for (const [title, action] of [
    ['no command_digest', { commandDigest: null }],
    ['no input_root_digest', { inputRootDigest: null }],
    ['a negative timeout', { timeout: { seconds: -1 } }],
    ['a timeout above the maximum', { timeout: { seconds: 7_201 } }],
  ] as const) {
    it(`refuses an Action with ${title}`, async () => {
      await refusal(execute(await bench.action({}, action)), Code.InvalidArgument);
    });
  }

  const badCommands: readonly (readonly [string, reapi.Command.$Properties])[] = [
    ['no arguments', { arguments: [] }],
    ['an absolute output path', { outputPaths: ['/etc/passwd'] }],
    ['an output path that leads out', { outputPaths: ['a/../../b'] }],
    ['an old output path that leads out', { outputFiles: ['../b'] }],
    ['an output path with a slash at its end', { outputPaths: ['a/'] }],
    ['a NUL in an output path', { outputDirectories: ['a\0b'] }],
    ['a working directory that leads out', { workingDirectory: '..' }],
    ['an absolute working directory', { workingDirectory: '/tmp' }],
    ['an unsupported node property (DIG-15)', { outputNodeProperties: ['colour'] }],
  ];

  for (const [title, command] of badCommands) {
    it(`refuses a Command with ${title}`, async () => {
      await refusal(execute(await bench.action(command)), Code.InvalidArgument);
    });
  }

  it('accepts outputs that stay inside, the working directory itself, and old fields beside new ones (CMD-3)', async () => {
    const actionDigest = await bench.action({
      workingDirectory: 'a/b',
      outputPaths: ['', '../c', 'd/./e'],
      outputFiles: ['/ignored'],
    });

    assert.equal(metadataOf(await first(execute(actionDigest))).stage, QUEUED);
  });

  it('takes the platform of the Action if it has one, else that of the Command, and never both (EX-12)', async () => {
    const wants = (value: string): reapi.Platform.$Properties => ({ properties: [{ name: 'pool', value }] });
    await first(execute(await bench.action({ platform: wants('command') }, { platform: wants('action') })));
    await first(execute(await bench.action({ platform: wants('command') })));
    await first(execute(await bench.action({ platform: wants('command') }, { platform: {} })));

    assert.deepEqual(
      new Set(await bench.jobs.store.upkeep.queuedPlatforms()),
      new Set(['[["pool","action"]]', '[["pool","command"]]', '[]']),
    );
  });

  it('refuses a platform property that nobody knows, naming it and without details', async () => {
    const platform = { properties: [{ name: 'container-image', value: 'docker://x' }] };

    const { message, details } = await refusal(execute(await bench.action({ platform })), Code.FailedPrecondition);

    assert.match(message, /"container-image"/);
    assert.deepEqual(details, []);
  });

  it('runs the most urgent first (EX-13)', async () => {
    const late = await bench.action({ arguments: ['late'] });
    const soon = await bench.action({ arguments: ['soon'] });
    await first(execute(late));
    await first(execute(soon, { executionPolicy: { priority: -5 } }));

    const session = await bench.jobs.connect('bot');

    assert.ok(session.leases[0]?.actionDigest.equals(soon));
  });

  it('inlines what the client asked for, also for one that waits on (AC-3, EX-15)', async () => {
    const stdout = await bench.put(Buffer.from('hello'));
    const file = await bench.put(Buffer.from('content'));
    const outputFiles = ['a', 'b'].map((path) => ({ path, digest: file.toProto() }));
    const hints = { inlineStdout: true, inlineOutputFiles: ['b', 'unknown'] };
    const { name } = await first(execute(await bench.action(), hints));
    await bench.jobs.work({ result: { stdoutDigest: stdout.toProto(), stderrDigest: stdout.toProto(), outputFiles } });

    const { result } = responseOf(await first(wait(name!)));

    assert.equal(String(Buffer.from(result?.stdoutRaw ?? [])), 'hello');
    assert.equal(result?.stdoutDigest?.hash, stdout.hash);
    assert.equal(result.stderrRaw?.length ?? 0, 0);
    assert.deepEqual(
      result.outputFiles?.map(({ contents }) => String(Buffer.from(contents ?? []))),
      ['', 'content'],
    );
  });

  it('ends with UNAVAILABLE when the server stops, so that the client comes back (RT-2)', async () => {
    const call = new AbortController();
    const stream = execute(await bench.action(), {}, fakeCallContext({ signal: call.signal }));
    await stream.next();
    const next = stream.next();

    call.abort(new StatusError(Code.Unavailable, 'The server is stopping'));

    await assert.rejects(next, { code: Code.Unavailable });
  });
});
