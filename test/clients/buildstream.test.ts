import assert from 'node:assert/strict';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { startServer } from '../helpers/bgd-process.js';
import { needsProgram } from '../helpers/capabilities.js';
import { folderContents } from '../helpers/folder-contents.js';
import { GrpcTap, type TappedCalls } from '../helpers/grpc-tap.js';
import { repositoryRoot } from '../helpers/repository.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { BuildStreamMachine, BuildStreamProject, type BuildStreamRun } from './buildstream.js';

const { elements } = BuildStreamProject;
const all = { processed: elements, skipped: 0 };
const none = { processed: 0, skipped: elements };

/** A server that knows names by one of the two interfaces. */
interface Naming {
  readonly name: string;
  readonly config: string;
  /** The same without updates by clients. */
  readonly readOnlyConfig: string;
  readonly get: string;
  readonly update: string;
  /** Where names are kept, below the server's data. */
  readonly folder: string;
}

/** A server with one kind of names only. */
function configOf(tag: string, folder: string, key: string): string {
  return `server:
  - !channel {port: 0, address: 127.0.0.1}
instances:
  - name: ''
    services:
      - !cas {storage: !disk-storage &cas {path: !expand-path '\${BGD_DATA_DIR}/cas'}}
      - !bytestream {storage: *cas}
      - ${tag} {storage: *cas, path: !expand-path '\${BGD_DATA_DIR}/${folder}', ${key}}
`;
}

/** A server and a tap that counts what is called. */
interface TappedServer extends AsyncDisposable {
  readonly tap: GrpcTap;
}

/** Starts a server that keeps its data in `folder`; one that is started there again has it all. */
async function serve(folder: string, config: string): Promise<TappedServer> {
  const lifecycle = new Lifecycle();
  const file = join(folder, 'server.yml');
  await writeFile(file, config);
  const flags = ['--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data')];
  const server = await startServer([file, ...flags], { home: folder });
  lifecycle.use(server.process);
  const tap = lifecycle.use(await GrpcTap.open(server.url));
  return { tap, [Symbol.asyncDispose]: () => lifecycle[Symbol.asyncDispose]() };
}

async function build(machine: BuildStreamMachine, tap: GrpcTap): Promise<{ run: BuildStreamRun; calls: TappedCalls }> {
  const run = await machine.build();
  const calls = tap.take();
  process.stdout.write(`      ${calls.summary}; ${calls.bytesUp} bytes up, ${calls.bytesDown} down\n`);
  return { run, calls };
}

function assertBuilt({ run }: { run: BuildStreamRun }): void {
  assert.deepEqual(run.queue('Pull'), none, run.output);
  assert.deepEqual(run.queue('Build'), all, run.output);
  assert.deepEqual(run.queue('Push'), all, run.output);
}

function assertPulled({ run }: { run: BuildStreamRun }): void {
  assert.deepEqual(run.queue('Pull'), all, run.output);
  assert.deepEqual(run.queue('Build'), none, run.output);
}

for (const naming of [
  {
    name: 'Remote Asset, by docs/examples/buildstream.yml',
    config: await readFile(join(repositoryRoot, 'docs/examples/buildstream.yml'), 'utf8'),
    readOnlyConfig: configOf('!asset-cache', 'assets', 'allow-updates: false'),
    get: 'Fetch/FetchDirectory',
    update: 'Push/PushDirectory',
    folder: 'assets',
  },
  {
    name: 'ReferenceStorage',
    config: configOf('!reference-cache', 'references', 'max-cached-refs: 512'),
    readOnlyConfig: configOf('!reference-cache', 'references', 'allow-updates: false'),
    get: 'ReferenceStorage/GetReference',
    update: 'ReferenceStorage/UpdateReference',
    folder: 'references',
  },
] satisfies readonly Naming[]) {
  describe(`BuildStream 1.6.8 with artifacts under names of ${naming.name}`, function () {
    this.timeout(120_000);
    const lifecycle = new Lifecycle();
    let folder: string;
    let project: BuildStreamProject;

    before(async function () {
      needsProgram(this, 'bst', 'what a real BuildStream pushes and pulls');
      folder = lifecycle.use(await temporaryDirectory()).path;
      project = await BuildStreamProject.create(join(folder, 'project'));
    });

    after(() => lifecycle[Symbol.asyncDispose]());

    const machine = (name: string, { url }: GrpcTap, push = true): Promise<BuildStreamMachine> =>
      BuildStreamMachine.create(project, join(folder, name), { url, push });
    const namesKept = async (): Promise<number> =>
      (await folderContents(join(folder, 'data', naming.folder, 'values'))).size;

    it('builds on one machine, and pushes what it has built (AS-1, BST-1)', async () => {
      await using server = await serve(folder, naming.config);

      const first = await build(await machine('first', server.tap), server.tap);

      assertBuilt(first);
      const { calls } = first;
      // BuildStream asks before it builds, and once more before it pushes.
      assert.ok(calls.count(naming.get, Code.NotFound) >= 2 * elements, calls.summary);
      assert.equal(calls.count(naming.get, Code.Ok), 0);
      assert.ok(calls.count(naming.update, Code.Ok) >= elements, calls.summary);
      assert.equal(await namesKept(), calls.count(naming.update, Code.Ok));
      assert.ok(calls.bytesUp > 3_000_000, `${calls.bytesUp}`);
    });

    it('pulls on another, after a restart of the server, and builds nothing', async () => {
      await using server = await serve(folder, naming.config);
      const second = await machine('second', server.tap);

      const pulled = await build(second, server.tap);

      assertPulled(pulled);
      assert.deepEqual(pulled.run.queue('Push'), none);
      assert.ok(pulled.calls.count(naming.get, Code.Ok) >= elements, pulled.calls.summary);
      assert.equal(pulled.calls.count(naming.update, Code.Ok), 0);
      assert.ok(pulled.calls.bytesDown > 3_000_000, `${pulled.calls.bytesDown}`);
      const expected = new Map([
        ...(await folderContents(join(project.folder, 'small'))),
        ...(await folderContents(join(project.folder, 'large'))),
      ]);
      assert.deepEqual(await second.checkOut(), expected);
      const { mode } = await stat(join(folder, 'second/checked-out/sub/run.sh'));
      assert.ok(mode & 0o100, 'run.sh is still executable');
    });

    it('builds and pushes again when the server has lost the blobs that it has names for', async () => {
      const kept = await namesKept();
      await rm(join(folder, 'data/cas'), { recursive: true });
      await using server = await serve(folder, naming.config);

      const rebuilt = await build(await machine('third', server.tap), server.tap);
      const pulled = await build(await machine('fourth', server.tap), server.tap);

      assertBuilt(rebuilt);
      assertPulled(pulled);
      assert.ok(kept > 0);
      assert.equal(await namesKept(), kept);
    });

    it('pulls, and is told that it may not push, where updates are not allowed', async () => {
      await using server = await serve(folder, naming.readOnlyConfig);

      const pulled = await build(await machine('fifth', server.tap, false), server.tap);
      const refused = await build(await machine('sixth', server.tap), server.tap);

      assertPulled(pulled);
      assert.match(refused.run.output, /server does not allow push/);
      assert.deepEqual(refused.run.queue('Build'), all, refused.run.output);
      assert.equal(refused.calls.count(naming.update, Code.Ok), 0);
    });
  });
}
