import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA256 } from '../../src/digest/digest-function.js';
import { missingBlobsError } from '../../src/digest/missing-blobs.js';
import { reapi } from '../../src/proto/index.js';
import { CommandHarness } from './command-harness.js';
import { operationOf } from './command-server.js';

const { COMPLETED, EXECUTING, QUEUED } = reapi.ExecutionStage.Value;

describe('bgd execute command', () => {
  let harness: CommandHarness;

  beforeEach(async () => (harness = await CommandHarness.create()));
  afterEach(() => harness[Symbol.asyncDispose]());

  const inFolder = (name: string): string => join(harness.folder, name);

  /** The Action that was executed last, with its Command. */
  async function executed(): Promise<{ action: reapi.Action; command: reapi.Command }> {
    const { blobs, requests } = harness.server;
    const action = reapi.Action.decode(await readBlob(blobs, Digest.fromProto(requests.at(-1)?.actionDigest, SHA256)));
    const command = reapi.Command.decode(await readBlob(blobs, Digest.fromProto(action.commandDigest, SHA256)));
    return { action, command };
  }

  it('prints what the command printed, as such, and exits as it did', async () => {
    const stdoutDigest = (await harness.server.store(Buffer.from('100%\n\u0000end'))).toProto();
    harness.server.endWith({ result: { exitCode: 7, stdoutDigest, stderrRaw: Buffer.from('no newline') } });

    const { code, stdout, stderr } = await harness.run('execute', 'command', '--', 'tool');

    assert.deepEqual({ code, stdout, stderr }, { code: 7, stdout: '100%\n\u0000end', stderr: 'no newline' });
  });

  it('makes an action of its words and flags', async () => {
    await mkdir(inFolder('inputs'));
    await writeFile(inFolder('inputs/main.c'), 'int main;');
    harness.server.endWith({ result: {} });

    const flags = ['--output-path', 'b/', '--output-file', 'a', 'True', '-p', 'OSFamily', 'Linux', '-p', 'cpu=x=y'];
    const args = [...flags, '--env', 'LANG=C', '--timeout', '1.5', 'inputs', '--', 'gcc', '-p', 'x', '--json'];
    const { code, stderr } = await harness.run('execute', 'command', ...args);

    const { action, command } = await executed();
    assert.deepEqual([code, stderr], [0, 'The command did not leave behind b, a\n']);
    assert.deepEqual(command.arguments, ['gcc', '-p', 'x', '--json']);
    assert.deepEqual(command.outputPaths, ['a', 'b']);
    assert.deepEqual(JSON.parse(JSON.stringify(command.environmentVariables)), [
      { name: 'LANG', value: 'C' },
      { name: 'PATH', value: '/usr/local/bin:/usr/bin:/bin' },
    ]);
    assert.deepEqual(JSON.parse(JSON.stringify(action.platform)), {
      properties: [
        { name: 'OSFamily', value: 'Linux' },
        { name: 'cpu', value: 'x=y' },
      ],
    });
    assert.deepEqual([action.timeout?.seconds, action.timeout?.nanos, action.doNotCache], [1, 500_000_000, false]);
    const root = reapi.Directory.decode(
      await readBlob(harness.server.blobs, Digest.fromProto(action.inputRootDigest, SHA256)),
    );
    assert.deepEqual(
      root.files.map(({ name }) => name),
      ['main.c'],
    );
  });

  it('takes the first word for the input root where there is no "--"', async () => {
    await mkdir(inFolder('inputs'));
    harness.server.endWith({ result: {} });

    await harness.run('execute', 'command', 'inputs', 'echo', 'hello');

    assert.deepEqual((await executed()).command.arguments, ['echo', 'hello']);
  });

  it('has an empty input root and is cached unless told otherwise', async () => {
    harness.server.endWith({ result: {} });

    await harness.run('execute', 'command', '--no-cache', '--', 'date');

    const { action } = await executed();
    assert.deepEqual(Digest.fromProto(action.inputRootDigest, SHA256), Digest.empty());
    assert.deepEqual([action.doNotCache, harness.server.requests[0]?.skipCacheLookup], [true, true]);
  });

  it('writes outputs below the output directory', async () => {
    const digest = (await harness.server.store(Buffer.from('#!/bin/sh\n'))).toProto();
    const outputFiles = [{ path: 'bin/hello', digest, isExecutable: true }];
    harness.server.endWith({ result: { outputFiles, outputSymlinks: [{ path: 'link', target: 'bin/hello' }] } });

    const { code } = await harness.run('execute', 'command', '--output-directory', 'out', '--', 'make');

    assert.equal(code, 0);
    assert.equal(await readFile(inFolder('out/link'), 'utf8'), '#!/bin/sh\n');
    assert.equal((await stat(inFolder('out/bin/hello'))).mode & 0o111, 0o111);
  });

  it('names the outputs that a command which went well has not left behind', async () => {
    const outputSymlinks = [{ path: 'link', target: 'x' }];
    const args = ['execute', 'command', '--output-path', 'link', '--output-path', 'lnik', '--', 'make'];
    harness.server.endWith({ result: { outputSymlinks } });
    const good = await harness.run(...args);
    harness.server.endWith({ result: { exitCode: 1, outputSymlinks } });
    const bad = await harness.run(...args);

    assert.deepEqual([good.code, good.stderr], [0, 'The command did not leave behind lnik\n']);
    assert.deepEqual([bad.code, bad.stderr], [1, '']);
  });

  it('never writes an output over a folder: that is 125', async () => {
    const digest = (await harness.server.store(Buffer.from('new'))).toProto();
    await mkdir(inFolder('out'));
    harness.server.endWith({ result: { outputFiles: [{ path: 'out', digest }] } });

    const { code, stderr } = await harness.run('execute', 'command', '--', 'make');

    assert.equal(code, 125);
    assert.match(stderr, /^Error: out is a folder, where a file is to be written[^\n]*\n$/);
    assert.deepEqual(await readdir(inFolder('out')), []);
  });

  it('puts everything into one value with --json', async () => {
    harness.server.endWith({
      cachedResult: true,
      result: { exitCode: 3, stdoutRaw: Buffer.from('out'), stderrRaw: Buffer.from('err') },
    });

    const { code, stdout, stderr } = await harness.run('execute', 'command', '--json', '--', 'tool');

    const report = JSON.parse(stdout) as { actionDigest: string };
    const actionDigest = String(Digest.fromProto(harness.server.requests[0]?.actionDigest, SHA256));
    assert.deepEqual([code, stderr], [3, '']);
    assert.deepEqual(report, {
      source: 'command',
      exitCode: 3,
      cached: true,
      actionDigest,
      operation: 'operations/1',
      stdout: 'out',
      stderr: 'err',
      outputs: [],
    });
  });

  const ends = [
    { what: 'ran longer than it may', status: { code: Code.DeadlineExceeded, message: 'Too long' }, exit: 124 },
    { what: 'met a failing server', status: { code: Code.FailedPrecondition, message: 'No worker' }, exit: 125 },
    { what: 'is no program', status: { code: Code.InvalidArgument, message: 'Command not executable: x' }, exit: 126 },
    { what: 'was not found', status: { code: Code.InvalidArgument, message: 'Command not found: "x"' }, exit: 127 },
  ];
  for (const { what, status, exit } of ends) {
    it(`exits with ${exit} when the command ${what}, and shows what it had printed`, async () => {
      harness.server.endWith({ status, result: { exitCode: 1, stdoutRaw: Buffer.from('so far') } });

      const { code, stdout, stderr } = await harness.run('execute', 'command', '--', 'x');

      assert.deepEqual(
        { code, stdout, stderr },
        { code: exit, stdout: 'so far', stderr: `Error: ${status.message}\n` },
      );
    });
  }

  it('says with --json that a failure is not the command’s', async () => {
    harness.server.endWith({ status: { code: Code.FailedPrecondition, message: 'No worker' } });

    const { code, stdout } = await harness.run('execute', 'command', '--json', '--', 'x');

    const error = { code: 'FAILED_PRECONDITION', message: 'No worker', exitCode: 125 };
    assert.deepEqual([code, JSON.parse(stdout)], [125, { source: 'bgd', error }]);
  });

  it('exits with 125 when the server cannot be reached', async () => {
    const { code, stderr } = await harness.run('execute', 'command', '--remote', 'grpc://127.0.0.1:1', '--', 'x');

    assert.equal(code, 125);
    assert.match(stderr, /^Error: cannot reach grpc:\/\/127\.0\.0\.1:1/);
  });

  it('exits with 2 for wrong usage', async () => {
    const noCommand = await harness.run('execute', 'command', '.');
    const noRoot = await harness.run('execute', 'command', 'nowhere', '--', 'x');
    const badPair = await harness.run('execute', 'command', '-p', 'OSFamily', '--', 'x');
    const badOutput = await harness.run('execute', 'command', '--output-path', '../up', '--', 'x');

    assert.deepEqual([noCommand.code, noRoot.code, badPair.code, badOutput.code], [2, 2, 2, 2]);
    assert.match(noCommand.stderr, /^Error: There is no command: CMD is wanted[^\n]*\n$/);
    assert.equal(noRoot.stderr, 'Error: No directory found at nowhere\n');
    assert.match(badPair.stderr, /^Error: --platform-property: "OSFamily" is no pair: NAME=VALUE is wanted/);
    assert.match(badOutput.stderr, /^Error: --output-path: "\.\.\/up" cannot be an output/);
  });

  it('CL-4: sends once more what the server turns out to lack', async () => {
    await mkdir(inFolder('inputs'));
    await writeFile(inFolder('inputs/main.c'), 'int main;');
    const digest = Digest.of(Buffer.from('int main;'));
    const { server } = harness;
    server.execute = async function* () {
      if (server.requests.length === 1) {
        await server.blobs.delete([digest]);
        throw missingBlobsError([digest]);
      }
      yield operationOf(COMPLETED, { result: { exitCode: 0 } });
    };

    const { code } = await harness.run('execute', 'command', 'inputs', '--', 'make');

    assert.deepEqual([code, server.requests.length], [0, 2]);
    assert.deepEqual(await server.blobs.findMissing([digest]), []);
  });

  it('CL-4: gives up when the server still lacks it', async () => {
    const { server } = harness;
    server.refuseWith(missingBlobsError([Digest.empty()]));

    const { code } = await harness.run('execute', 'command', '--', 'make');

    assert.deepEqual([code, server.requests.length], [125, 2]);
  });

  it('says so when nobody takes the action for 3 s', async () => {
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    harness.server.execute = async function* () {
      yield operationOf(QUEUED);
      await ended;
      yield operationOf(COMPLETED, { result: { exitCode: 0 } });
    };

    const process = harness.start('execute', 'command', '-p', 'OSFamily=Linux', '--', 'make');
    await process.output('stderr', /\n/);
    end();
    const { code, stderr } = await process.ended;

    const bot = `bgd bot host-tools --remote ${harness.server.url} -w OSFamily=Linux`;
    assert.deepEqual([code, stderr], [0, `queued: no bot has taken it yet (start one with: ${bot})\n`]);
  });

  it('cancels the operation when it is interrupted, and exits with 130', async () => {
    let reached = (): void => undefined;
    const running = new Promise<void>((resolve) => (reached = resolve));
    harness.server.execute = async function* (_request, { signal }) {
      yield operationOf(EXECUTING);
      reached();
      await new Promise((over) => signal.addEventListener('abort', over));
    };

    const process = harness.start('execute', 'command', '--', 'sleep', '1000');
    await running;
    process.kill('SIGINT');
    const { code, stderr } = await process.ended;

    assert.deepEqual({ code, stderr }, { code: 130, stderr: 'Error: Interrupted\n' });
    assert.deepEqual(harness.server.cancelled, ['operations/1']);
  });

  it('tells what the server has to say', async () => {
    harness.server.endWith({ message: 'See https://logs.example', result: { exitCode: 0 } });

    const { stderr } = await harness.run('execute', 'command', '--', 'x');

    assert.equal(stderr, 'See https://logs.example\n');
  });

  it('prints a megabyte without losing a byte', async () => {
    const text = 'line\n'.repeat(250_000);
    const stdoutDigest = (await harness.server.store(Buffer.from(text))).toProto();
    harness.server.endWith({ result: { stdoutDigest } });

    const { stdout } = await harness.run('execute', 'command', '--', 'x');

    assert.equal(stdout.length, text.length);
    assert.ok(stdout === text);
  });

  it('passes on why an action is refused', async () => {
    harness.server.refuseWith(new StatusError(Code.FailedPrecondition, 'Platform property "gpu" is not known'));

    const { code, stderr } = await harness.run('execute', 'command', '-p', 'gpu=1', '--', 'x');

    assert.deepEqual({ code, stderr }, { code: 125, stderr: 'Error: Platform property "gpu" is not known\n' });
  });
});
