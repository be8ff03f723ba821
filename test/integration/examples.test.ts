import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { Deployment } from '../helpers/deployment.js';
import { repositoryRoot } from '../helpers/repository.js';

const examples = readdirSync(join(repositoryRoot, 'docs/examples'));

/** Forgets all when it stops. */
const inMemory = 'cache.yml';

/** What `bgd capabilities` prints, as far as it is looked at. */
interface Capabilities {
  readonly cacheCapabilities?: { readonly actionCacheUpdateCapabilities?: { readonly updateEnabled?: boolean } };
  readonly executionCapabilities?: { readonly execEnabled?: boolean };
}

/** More than goes into a batch. */
const largeBytes = 5 * 1024 * 1024;

describe('A file of docs/examples', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let deployment: Deployment;

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  /** Uploads a small and a large file; their digests by name. */
  async function upload(): Promise<ReadonlyMap<string, string>> {
    const { site } = deployment;
    await site.write('small', randomBytes(8).toString('hex'));
    await site.write('large', randomBytes(largeBytes / 2).toString('hex'));
    const digests = (await deployment.run('cas', 'upload-file', 'small', 'large')).trim().split('\n');
    return new Map(['small', 'large'].map((name, index) => [name, digests[index] ?? '']));
  }

  async function assertGivesBack(digests: ReadonlyMap<string, string>): Promise<void> {
    const pairs = [...digests].flatMap(([name, digest]) => [digest, `${name}.back`]);
    await deployment.run('cas', 'download-file', ...pairs);
    for (const name of digests.keys()) {
      const [sent, back] = [
        await readFile(deployment.site.path(name)),
        await readFile(deployment.site.path(`${name}.back`)),
      ];
      assert.ok(sent.equals(back), `${name} came back otherwise`);
    }
  }

  async function assertRunsCommands(): Promise<void> {
    const { site, url, casUrl } = deployment;
    await site.work(url, '--remote-cas', casUrl);
    const said = await deployment.run('execute', 'command', '--remote-cas', casUrl, '--', 'echo', 'hello');
    assert.equal(said, 'hello\n');
  }

  async function assertKeepsValues(url: string): Promise<void> {
    assert.equal((await fetch(`${url}/gradle/0123`)).status, 404);
    assert.equal((await fetch(`${url}/gradle/0123`, { method: 'PUT', body: 'a value' })).status, 201);
    assert.equal(await (await fetch(`${url}/gradle/0123`)).text(), 'a value');
  }

  for (const name of examples) {
    it(`is linked from the pages for users: ${name}`, () => {
      const pages = ['README.md', 'docs/configuration.md'].map((page) =>
        readFileSync(join(repositoryRoot, page), 'utf8'),
      );

      assert.match(pages.join('\n'), new RegExp(`\\]\\((docs/)?examples/${name.replace('.', '\\.')}\\)`));
    });

    it(`serves what it says, and keeps what it took over a restart: ${name}`, async function () {
      deployment = lifecycle.use(await Deployment.start(this, name));
      const { httpUrl, text } = deployment;

      const capabilities = JSON.parse(await deployment.run('capabilities')) as Capabilities;
      const digests = await upload();
      if (name !== inMemory) await deployment.restart();
      await assertGivesBack(digests);

      assert.equal(capabilities.cacheCapabilities !== undefined, text.includes('- !cas'));
      const canExecute = capabilities.executionCapabilities?.execEnabled ?? false;
      assert.equal(canExecute, text.includes('- !execution'));
      if (canExecute) await assertRunsCommands();
      if (httpUrl !== undefined) await assertKeepsValues(deployment.httpUrl ?? '');
      await deployment.stop();
    });
  }
});
