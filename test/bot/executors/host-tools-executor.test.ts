import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MemoryBlobStore } from '../../../src/blobstore/backends/memory-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import type { ActionOutcome } from '../../../src/bot/action-executor.js';
import { HostToolsExecutor, type HostToolsOptions } from '../../../src/bot/executors/host-tools-executor.js';
import { WorkFolder } from '../../../src/bot/work-folder.js';
import { systemClock } from '../../../src/common/clock.js';
import { Code } from '../../../src/common/code.js';
import { silentLogger } from '../../../src/common/logger.js';
import { StatusError } from '../../../src/common/status-error.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1, SHA256, type DigestFunction } from '../../../src/digest/digest-function.js';
import { blobPath } from '../../../src/digest/resource-name.js';
import { reapi, rpc } from '../../../src/proto/index.js';
import { millisecondsOf } from '../../../src/proto/timestamp.js';
import { chunks } from '../../helpers/chunks.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

const path = { name: 'PATH', value: '/usr/local/bin:/usr/bin:/bin' };

describe('HostToolsExecutor', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let work: WorkFolder;
  let blobs: MemoryBlobStore;
  let stop: AbortController;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    work = await WorkFolder.open(join(folder.path, 'work'), silentLogger);
    blobs = new MemoryBlobStore();
    stop = new AbortController();
  });

  afterEach(async () => {
    assert.deepEqual(await readdir(join(folder.path, 'work/attempts')), [], 'An attempt has left its folder behind');
    await work[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  async function store(data: string | Uint8Array, fn: DigestFunction = SHA256): Promise<Digest> {
    const digest = Digest.of(Buffer.from(data), fn);
    await blobs.write(digest, chunks(data));
    return digest;
  }

  interface Given {
    readonly command?: reapi.Command.$Properties;
    readonly action?: reapi.Action.$Properties;
    readonly input?: reapi.Directory.$Properties;
    readonly options?: Partial<HostToolsOptions>;
    readonly fn?: DigestFunction;
  }

  async function execute({ command, action, input = {}, options, fn = SHA256 }: Given): Promise<ActionOutcome> {
    const commandDigest = await store(reapi.Command.encode({ environmentVariables: [path], ...command }).finish(), fn);
    const inputRootDigest = await store(reapi.Directory.encode(input).finish(), fn);
    const encoded = reapi.Action.encode({
      commandDigest: commandDigest.toProto(),
      inputRootDigest: inputRootDigest.toProto(),
      ...action,
    });
    const digest = await store(encoded.finish(), fn);
    const executor = new HostToolsExecutor({ blobs, workFolder: work, clock: systemClock, worker: 'me/1', ...options });
    return executor.execute({ digest, action: undefined }, stop.signal);
  }

  const sh = (script: string, more: reapi.Command.$Properties = {}): reapi.Command.$Properties => ({
    arguments: ['sh', '-c', script],
    ...more,
  });

  async function textOf(
    digest: reapi.Digest.$Properties | null | undefined,
    fn: DigestFunction = SHA256,
  ): Promise<string> {
    return String(await readBlob(blobs, Digest.fromProto(digest, fn)));
  }

  it('stages the inputs, runs the command and uploads what it printed and made', async () => {
    const input = { files: [{ name: 'in.txt', digest: (await store('hello')).toProto() }] };
    const command = sh('tr a-z A-Z < in.txt > out/result; echo said; echo complained >&2', {
      outputPaths: ['out/result'],
    });

    const { result, fault } = await execute({ command, input });

    assert.equal(fault, undefined);
    assert.equal(result.exitCode, 0);
    assert.equal(await textOf(result.outputFiles?.[0]?.digest), 'HELLO');
    assert.equal(await textOf(result.stdoutDigest), 'said\n');
    assert.equal(await textOf(result.stderrDigest), 'complained\n');
  });

  it('works with whatever digest function the action has (DIG-5)', async () => {
    const input = { files: [{ name: 'in', digest: (await store('hello', SHA1)).toProto() }] };

    const { result } = await execute({
      command: sh('cat in; mkdir d; cp in d', { outputPaths: ['d'] }),
      input,
      fn: SHA1,
    });

    assert.equal(await textOf(result.stdoutDigest, SHA1), 'hello');
    assert.equal(result.outputDirectories?.[0]?.treeDigest?.hash?.length, 40);
  });

  it('takes the Action from the lease where it is in there', async () => {
    const commandDigest = (await store(reapi.Command.encode(sh('exit 9')).finish())).toProto();
    const action = reapi.Action.fromObject({ commandDigest, inputRootDigest: Digest.empty().toProto() });
    const executor = new HostToolsExecutor({ blobs, workFolder: work, clock: systemClock, worker: 'me' });

    const { result } = await executor.execute({ digest: Digest.of(Buffer.from('not stored')), action }, stop.signal);

    assert.equal(result.exitCode, 9);
  });

  it('makes the working directory and the parents of outputs, not the outputs (CMD-4, CMD-5)', async () => {
    const command = sh('pwd | sed s,.*root/,,; find ../.. -type d | sort', {
      workingDirectory: 'a/b',
      outputFiles: ['o/f'],
      outputDirectories: ['p/d'],
    });

    const { result } = await execute({ command });

    assert.equal(await textOf(result.stdoutDigest), 'a/b\n../..\n../../a\n../../a/b\n../../a/b/o\n../../a/b/p\n');
  });

  it('follows no link of the inputs out of the tree when it makes those (S2)', async () => {
    const input = { symlinks: [{ name: 'out', target: folder.path }] };

    await assert.rejects(execute({ command: sh('true', { outputPaths: ['out/made/file'] }), input }), {
      code: Code.InvalidArgument,
    });
    await assert.rejects(execute({ command: sh('true', { workingDirectory: 'out' }), input }), {
      code: Code.InvalidArgument,
    });
    assert.equal(existsSync(join(folder.path, 'made')), false);
  });

  it('fails a working directory that is a file as the fault of the action (CMD-4)', async () => {
    const input = { files: [{ name: 'file', digest: (await store('x')).toProto() }] };

    await assert.rejects(execute({ command: sh('true', { workingDirectory: 'file' }), input }), {
      code: Code.InvalidArgument,
      message: /needs a folder/,
    });
  });

  it('collects outputs after a failure too (CMD-12)', async () => {
    const { result } = await execute({ command: sh('echo x > out; exit 3', { outputPaths: ['out'] }) });

    assert.equal(result.exitCode, 3);
    assert.equal(await textOf(result.outputFiles?.[0]?.digest), 'x\n');
  });

  it('leaves the digests of empty stdout and stderr unset (CMD-12)', async () => {
    const { result } = await execute({ command: sh('true') });

    assert.deepEqual([result.stdoutDigest, result.stderrDigest], [null, null]);
  });

  it('reports a timeout as DEADLINE_EXCEEDED, with what there was until then (EX-11)', async () => {
    const command = sh('echo soon; echo x > out; sleep 600', { outputPaths: ['out'] });

    const { result, fault } = await execute({ command, action: { timeout: { seconds: 0, nanos: 300_000_000 } } });

    assert.equal(fault?.code, Code.DeadlineExceeded);
    assert.match(fault.message, /0\.3 s/);
    assert.equal(await textOf(result.stdoutDigest), 'soon\n');
    assert.equal(result.outputFiles?.length, 1);
    assert.equal(result.exitCode, 143);
  });

  it('gives actions without a timeout the default one; zero counts as none (EX-11)', async () => {
    const action = { timeout: { seconds: 0, nanos: 0 } };

    const { fault } = await execute({ command: sh('sleep 600'), action, options: { defaultTimeoutMs: 200 } });

    assert.equal(fault?.code, Code.DeadlineExceeded);
  });

  it('stops the command when it is told to, and rejects with the reason', async () => {
    const running = execute({ command: sh(`echo $$ > ${join(folder.path, 'pid')}; sleep 600 & wait`) });
    const pid = await lineOf(join(folder.path, 'pid'));
    stop.abort(new StatusError(Code.Cancelled, 'Not wanted any more'));

    await assert.rejects(running, { code: Code.Cancelled, message: 'Not wanted any more' });
    assert.equal(existsSync(`/proc/${pid}`), false);
  });

  it('notes all times in their order, and who it is (EX-14)', async () => {
    const { result } = await execute({ command: sh('true') });

    const metadata = result.executionMetadata!;
    const times = [
      metadata.workerStartTimestamp,
      metadata.inputFetchStartTimestamp,
      metadata.inputFetchCompletedTimestamp,
      metadata.executionStartTimestamp,
      metadata.executionCompletedTimestamp,
      metadata.outputUploadStartTimestamp,
      metadata.outputUploadCompletedTimestamp,
      metadata.workerCompletedTimestamp,
    ].map((time) => millisecondsOf(time)!);
    assert.equal(metadata.worker, 'me/1');
    assert.equal(metadata.queuedTimestamp, undefined);
    assert.ok(times.every((time, index) => index === 0 || time >= times[index - 1]!));
    assert.equal(millisecondsOf(metadata.virtualExecutionDuration), times[4]! - times[3]!);
  });

  it('names every missing input, and the Action or Command when it is that (EX-9)', async () => {
    const absent = ['one', 'two'].map((text) => Digest.of(Buffer.from(text)));
    const input = { files: absent.map((digest, index) => ({ name: `f${index}`, digest: digest.toProto() })) };
    const commandDigest = Digest.of(Buffer.from('no command'));

    assert.deepEqual(await missingOf(execute({ command: sh('true'), input })), absent.map(blobPath).sort());
    assert.deepEqual(await missingOf(execute({ action: { commandDigest: commandDigest.toProto() } })), [
      blobPath(commandDigest),
    ]);
  });

  it('tells a program that is not there as the fault of the action', async () => {
    await assert.rejects(execute({ command: { arguments: ['no-such-tool'] } }), {
      code: Code.InvalidArgument,
      message: /^Command not found: /,
    });
  });

  it('tells an Action or Command that does not decode as the fault of the action', async () => {
    const garbage = (await store('\xff\xff\xff not a message')).toProto();

    await assert.rejects(execute({ action: { commandDigest: garbage } }), { code: Code.InvalidArgument });
  });

  it('tells an output of the wrong kind beside the rest of the result (CMD-8)', async () => {
    const command = sh('mkdir out; echo x > ok', { outputFiles: ['out', 'ok'] });

    const { result, fault } = await execute({ command });

    assert.equal(fault?.code, Code.FailedPrecondition);
    assert.equal(result.outputFiles?.[0]?.path, 'ok');
  });

  it('removes the folder of an action that has locked it up', async () => {
    const { result } = await execute({ command: sh('mkdir -p a/b; echo x > a/b/c; chmod 0 a/b; chmod 0 a') });

    assert.equal(result.exitCode, 0);
  });
});

async function missingOf(execution: Promise<ActionOutcome>): Promise<(string | null | undefined)[]> {
  const reason = await execution.then(
    () => assert.fail('It was executed'),
    (failure: unknown) => failure,
  );
  assert.ok(reason instanceof StatusError);
  assert.equal(reason.code, Code.FailedPrecondition);
  return rpc.PreconditionFailure.decode(reason.details[0]!.value)
    .violations.map(({ subject }) => subject)
    .sort();
}

/** What stands in a file once its only line is complete. */
async function lineOf(path: string): Promise<string> {
  for (;;) {
    const text = existsSync(path) ? await readFile(path, 'utf8') : '';
    if (text.endsWith('\n')) return text.trim();
    await delay(10);
  }
}
