import assert from 'node:assert/strict';
import { OperationsClient } from '../../src/client/operations-client.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { longrunning } from '../../src/proto/index.js';
import { millisecondsOf } from '../../src/proto/timestamp.js';
import { hasCode } from '../helpers/has-code.js';
import { scriptedRemote, type ScriptedRemote } from '../helpers/scripted-remote.js';

describe('OperationsClient', () => {
  let scripted: ScriptedRemote;
  let operations: OperationsClient;

  beforeEach(async () => {
    scripted = await scriptedRemote();
    operations = new OperationsClient(scripted.remote);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  it('lists all operations, page by page (OP-3)', async () => {
    const requests: longrunning.ListOperationsRequest[] = [];
    const pages: longrunning.ListOperationsResponse.$Properties[] = [
      { operations: [{ name: 'a' }, { name: 'b' }], nextPageToken: 'more' },
      { operations: [], nextPageToken: 'yet more' },
      { operations: [{ name: 'c' }] },
    ];
    scripted.server.script.listOperations = (request) => {
      requests.push(request);
      return pages[requests.length - 1]!;
    };

    const names: (string | null | undefined)[] = [];
    for await (const { name } of operations.list({ filter: 'stage=queued', pageSize: 2 })) names.push(name);

    assert.deepEqual(names, ['a', 'b', 'c']);
    assert.deepEqual(
      requests.map(({ name, filter, pageSize, pageToken }) => [name, filter, pageSize, pageToken]),
      ['', 'more', 'yet more'].map((token) => ['main', 'stage=queued', 2, token]),
    );
  });

  it('asks for no more pages than are pulled', async () => {
    scripted.server.script.listOperations = () => ({ operations: [{ name: 'a' }], nextPageToken: 'more' });

    for await (const { name } of operations.list()) {
      assert.equal(name, 'a');
      break;
    }

    assert.equal(scripted.server.count('listOperations'), 1);
  });

  it('gets, cancels and deletes by name', async () => {
    const names: string[] = [];
    const note = ({ name }: { name: string }): object => {
      names.push(name);
      return {};
    };
    Object.assign(scripted.server.script, {
      getOperation: ({ name }: longrunning.GetOperationRequest) => ({ name, done: true }),
      cancelOperation: note,
      deleteOperation: note,
    });

    assert.equal((await operations.get('x')).done, true);
    await operations.cancel('y');
    await operations.delete('z');

    assert.deepEqual(names, ['y', 'z']);
  });

  it('waits until the operation is done, in calls that end before their deadline (OP-2)', async () => {
    let calls = 0;
    scripted.server.script.waitOperation = ({ name, timeout }, { deadlineMs }) => {
      calls += 1;
      assert.ok(Date.now() + millisecondsOf(timeout)! < deadlineMs!);
      return { name, done: calls === 3 };
    };

    assert.equal((await operations.wait('x')).done, true);
    assert.equal(calls, 3);
  });

  it('says that an operation is not known', async () => {
    scripted.server.script.getOperation = () => {
      throw new StatusError(Code.NotFound, 'No operation x');
    };

    await assert.rejects(operations.get('x'), hasCode(Code.NotFound));
  });
});
