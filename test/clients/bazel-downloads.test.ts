import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { startServer } from '../helpers/bgd-process.js';
import { GrpcTap } from '../helpers/grpc-tap.js';
import { OriginServer } from '../helpers/origin-server.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { Bazel, bazel4, needsBazel } from './bazel.js';

const content = Buffer.alloc(300_000, 'from the origin\n');
const checksum = createHash('sha256').update(content).digest('hex');

describe(`${bazel4.name} downloading through the Remote Asset API`, function () {
  this.timeout(180_000);
  const lifecycle = new Lifecycle();
  let folder: string;
  let origin: OriginServer;
  let tap: GrpcTap;

  before(async function () {
    needsBazel(this, bazel4);
    folder = lifecycle.use(await temporaryDirectory()).path;
    origin = lifecycle.use(await OriginServer.listen());
    const file = join(folder, 'server.yml');
    await writeFile(
      file,
      `server: [!channel {port: 0, address: 127.0.0.1}]
instances:
  - name: ''
    services:
      - !cas {storage: !lru-storage &cas {size: 64M}}
      - !bytestream {storage: *cas}
      - !action-cache {storage: *cas}
      - !asset-cache {storage: *cas, fetch: {allow: ['${origin.url}/open/'], private-networks: [127.0.0.1]}}
`,
    );
    const server = await startServer([file], { home: folder });
    lifecycle.use(server.process);
    tap = lifecycle.use(await GrpcTap.open(server.url));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  /** A machine that wants the file at `path` of the origin. */
  async function machine(name: string, path: string): Promise<Bazel> {
    const bazel = lifecycle.use(await Bazel.create(join(folder, name), bazel4));
    const rule = `load("@bazel_tools//tools/build_defs/repo:http.bzl", "http_file")
http_file(name = "asset", urls = ["${origin.url}${path}"], sha256 = "${checksum}")
`;
    await bazel.edit('WORKSPACE', (text) => `${text}\n${rule}`);
    await bazel.edit(
      'made/BUILD.bazel',
      (text) => `${text}\ngenrule(name = "copy", srcs = ["@asset//file"], outs = ["copy.txt"], cmd = "cp $< $@")\n`,
    );
    return bazel;
  }

  const build = (bazel: Bazel) =>
    bazel.test(
      '--spawn_strategy=local',
      `--remote_cache=${tap.url}`,
      `--experimental_remote_downloader=${tap.url}`,
      '//made:copy',
    );

  it('gets a file of the web by way of the server, which fetches it once for all machines', async () => {
    origin.serve('/open/file', content);

    for (const name of ['first', 'second']) {
      const bazel = await machine(name, '/open/file');
      const { output } = await build(bazel);
      const calls = tap.take();
      process.stdout.write(`      ${calls.summary}; ${calls.bytesDown} bytes down\n`);

      assert.ok((await readFile(join(bazel.outputs, 'k8-fastbuild/bin/made/copy.txt'))).equals(content), output);
      assert.equal(calls.count('Fetch/FetchBlob', Code.Ok), 1, calls.summary);
      assert.ok(calls.bytesDown > content.length, `${calls.bytesDown}`);
    }
    assert.deepEqual(origin.requests, ['/open/file']);
  });

  it('gets nothing that is not in the allow-list, and says so', async () => {
    origin.serve('/closed/file', content);
    origin.requests.length = 0;

    const { exitCode, output } = await build(await machine('third', '/closed/file'));

    assert.notEqual(exitCode, 0);
    assert.match(output, /The server may not fetch from http:.*\/closed\/file/);
    assert.deepEqual(origin.requests, []);
  });
});
