import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimulationReport } from '../../src/simulation/simulation-report.js';
import type { Ended } from '../helpers/bgd-process.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { repositoryRoot } from '../helpers/repository.js';

const scenario = `bots: [{count: 2, properties: [pool=a]}]
invocations:
  - {name: build, jobs: 6, platform: [pool=a], duration: {mean: 1, distribution: constant}}
  - {name: late one, jobs: 1, start: 1.5, duration: {mean: 1, distribution: constant}}
`;

describe('bgd server simulate', () => {
  let site: BgdSite;

  beforeEach(async () => {
    site = await BgdSite.create();
    await writeFile(site.path('scenario.yml'), scenario);
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const simulate = (...args: string[]): Promise<Ended> => site.bgd(['server', 'simulate', ...args]).ended;

  it('prints a table of how invocations fare for each order', async () => {
    const { code, stdout } = await simulate('--order', 'fair', '--order', 'fifo', site.path('scenario.yml'));

    assert.equal(code, 0);
    assert.match(stdout, /^order fair: 2 bots, 7 jobs, 4\.00 s simulated in /m);
    assert.match(stdout, /^order fifo: /m);
    const rows = stdout.split('\n').filter((line) => line.startsWith('late one'));
    assert.match(rows[0] ?? '', /^late one +1 +1 +0 +0\.50 s/);
    assert.match(rows[1] ?? '', /^late one +1 +1 +0 +1\.50 s/);
  });

  it('prints the same report for the same seed with --json', async () => {
    const args = ['--json', '--seed', '7', '--bots', '3', '--jobs', '300', 'priorities'];
    const [first, second] = [await simulate(...args), await simulate(...args)];

    assert.equal(first.stdout, second.stdout);
    const [report] = JSON.parse(first.stdout) as SimulationReport[];
    assert.deepEqual([report?.order, report?.seed, report?.bots], ['fair', 7, 3]);
  });

  it('writes the states to a file to plot', async () => {
    await simulate('--csv', site.path('run.csv'), site.path('scenario.yml'));

    assert.equal(
      await readFile(site.path('run.csv'), 'utf8'),
      `order,seconds,waiting,running,done,running build,running late one
fair,0,0,0,0,0,0
fair,1,4,2,0,2,0
fair,2,3,2,2,2,0
fair,3,1,2,4,1,1
fair,4,0,1,6,1,0
`,
    );
  });

  it('tells all that is wrong with a scenario', async () => {
    await writeFile(site.path('wrong.yml'), 'bots: [{cuont: 1}]\ninvocations: [{name: a, jobs: 0}]\n');

    const { code, stderr } = await simulate(site.path('wrong.yml'));

    assert.equal(code, 2);
    assert.match(stderr, /wrong\.yml:1:9: Unknown key "cuont"; did you mean "count"\?/);
    assert.match(stderr, /wrong\.yml:2:\d+: invocations\[0\]\.jobs: /);
  });

  it('tells when there is no such scenario, when no bot fits, and when the file cannot be written', async () => {
    await writeFile(site.path('unfit.yml'), 'bots: [{count: 1}]\ninvocations: [{name: a, jobs: 1, platform: [x=y]}]\n');

    const [unknown, unfit, unwritable] = [
      await simulate('nothing'),
      await simulate(site.path('unfit.yml')),
      await simulate('--csv', site.path('no', 'such', 'folder'), site.path('scenario.yml')),
    ];

    assert.deepEqual([unknown.code, unfit.code, unwritable.code], [2, 2, 2]);
    assert.match(unknown.stderr, /Cannot read the scenario nothing: ENOENT/);
    assert.match(unfit.stderr, /No bot offers what the invocations "a" ask for: "x"="y"/);
    assert.match(unwritable.stderr, /ENOENT/);
  });

  it('has each scenario that comes with bgd run, and named in its help', async () => {
    const { stdout: help } = await simulate('--help');
    for (const file of await readdir(join(repositoryRoot, 'docs/scenarios'))) {
      const name = file.replace('.yml', '');
      assert.equal((await simulate('--bots', '20', '--jobs', '500', name)).code, 0, name);
      assert.match(help, new RegExp(name));
    }
  });
});
