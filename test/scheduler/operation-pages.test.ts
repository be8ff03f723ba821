import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { reapi } from '../../src/proto/index.js';
import { actionNamed } from '../helpers/jobs.js';
import { SchedulerBench } from '../helpers/scheduler-bench.js';

describe('A list of operations', () => {
  let bench: SchedulerBench;

  beforeEach(async () => {
    bench = await SchedulerBench.open();
  });

  afterEach(() => bench[Symbol.asyncDispose]());

  it('lists in pages whose tokens lead through all of it (OP-3)', async () => {
    const added = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) added.push((await bench.execute(name)).id);
    const listed: string[] = [];
    let pageToken = '';
    do {
      const request = { instanceName: 'main', filter: 'stage=queued', pageSize: 2, pageToken };
      const page = await bench.scheduler.list(request);
      listed.push(...page.operations.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');

    assert.deepEqual(listed, added);
  });

  it('refuses the token of another list, a garbled one, and a negative size (OP-3)', async () => {
    for (const name of ['a', 'b']) await bench.execute(name);
    const request = { instanceName: 'main', filter: '', pageSize: 1, pageToken: '' };
    const { nextPageToken } = await bench.scheduler.list(request);

    for (const wrong of [
      { filter: 'stage=queued', pageToken: nextPageToken },
      { instanceName: 'other', pageToken: nextPageToken },
      { pageToken: 'garbled' },
      { pageSize: -1 },
    ]) {
      await assert.rejects(bench.scheduler.list({ ...request, ...wrong }), { code: Code.InvalidArgument });
    }
  });

  it('keeps a page within what a message holds (OP-3)', async () => {
    const result = reapi.ActionResult.create({ stdoutRaw: Buffer.alloc(1_500_000) });
    for (const name of ['a', 'b']) {
      await bench.actionCache.update(actionNamed(name), result);
      await bench.execute(name);
    }

    const page = await bench.scheduler.list({ instanceName: 'main', filter: '', pageSize: 0, pageToken: '' });

    assert.equal(page.operations.length, 1);
    assert.notEqual(page.nextPageToken, '');
  });
});
