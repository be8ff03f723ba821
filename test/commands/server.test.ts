import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startServer } from '../helpers/bgd-process.js';
import { repositoryRoot } from '../helpers/repository.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('bgd server start', () => {
  it('says where it keeps data and what comes next', async () => {
    await using home = await temporaryDirectory();
    const data = join(home.path, 'data');
    const started = await startServer(['--listen', '127.0.0.1:0', '--data-dir', data], {
      home: home.path,
    });
    await using server = started.process;
    const { url } = started;

    await server.output('stderr', new RegExp(`^serving on ${url}, keeping data in ${data}$`, 'm'));
    await server.output('stderr', new RegExp(`^next, start a worker: bgd bot host-tools --remote ${url}$`, 'm'));
  });

  it('does not send workers to what a file says, which may be a cache alone', async () => {
    await using home = await temporaryDirectory();
    const file = join(repositoryRoot, 'docs/examples/cache.yml');
    const started = await startServer(['--listen', '127.0.0.1:0', file], { home: home.path });
    await using server = started.process;
    const { url } = started;
    server.kill('SIGTERM');

    const { code, stderr } = await server.ended;
    assert.deepEqual([code, stderr], [0, `serving on ${url}, as ${file} says\n`]);
  });
});
