import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { unpackAny } from '../../src/proto/any.js';
import { longrunning, reapi } from '../../src/proto/index.js';
import { OperationsService } from '../../src/services/operations-service.js';
import { operationName } from '../../src/services/operation-name.js';
import { ActionBench } from '../helpers/action-bench.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';
import { actionNamed, newOperation } from '../helpers/jobs.js';
import { until } from '../helpers/until.js';

function codeOf({ response }: longrunning.Operation.$Properties): number | null | undefined {
  return unpackAny('build.bazel.remote.execution.v2.ExecuteResponse', reapi.ExecuteResponse, response)?.status?.code;
}

describe('OperationsService', () => {
  let bench: ActionBench;
  let service: OperationsService;
  const context = fakeCallContext();

  beforeEach(async () => {
    bench = await ActionBench.open();
    service = new OperationsService(bench.registry, bench.jobs.clock);
  });

  afterEach(() => bench[Symbol.asyncDispose]());

  const execute = async (action: string, instanceName = 'main'): Promise<string> =>
    operationName(await bench.jobs.execute(action, { operation: newOperation({ instanceName }) }));
  const get = (name: string): Promise<longrunning.Operation.$Properties> =>
    service.getOperation(longrunning.GetOperationRequest.create({ name }), context);
  const list = (request: longrunning.ListOperationsRequest.$Properties) =>
    service.listOperations(longrunning.ListOperationsRequest.create(request), context);
  const cancel = (name: string) => service.cancelOperation(longrunning.CancelOperationRequest.create({ name }));
  const forget = (name: string) => service.deleteOperation(longrunning.DeleteOperationRequest.create({ name }));
  const wait = (
    request: longrunning.WaitOperationRequest.$Properties,
    waiting = context,
  ): Promise<longrunning.Operation.$Properties> =>
    service.waitOperation(longrunning.WaitOperationRequest.create(request), waiting);

  it('tells the state of an operation (OP-2)', async () => {
    const name = await execute('a');

    const operation = await get(name);

    assert.equal(operation.name, name);
    assert.equal(operation.done, false);
  });

  it('does not find unknown names, and refuses malformed ones (OP-1)', async () => {
    const unknown = `main/operations/${randomUUID()}`;

    for (const method of [get, cancel, forget, (name: string) => wait({ name })]) {
      await assert.rejects(method(unknown), hasCode(Code.NotFound));
      await assert.rejects(method('main/operations/x'), hasCode(Code.InvalidArgument));
    }
  });

  it("lists an instance's operations, and no other's (OP-3)", async () => {
    const name = await execute('a');
    await execute('b', '');

    for (const collection of ['main', 'main/operations']) {
      const { operations, nextPageToken } = await list({ name: collection });

      assert.deepEqual(
        operations?.map((operation) => operation.name),
        [name],
      );
      assert.equal(nextPageToken, '');
    }
  });

  it('lists page by page and by filter (OP-3)', async () => {
    const names = [await execute('a'), await execute('b')];
    await cancel(await execute('c'));
    const first = await list({ name: 'main', filter: 'stage=queued', pageSize: 1 });

    const second = await list({ name: 'main', filter: 'stage=queued', pageSize: 1, pageToken: first.nextPageToken! });

    assert.deepEqual(
      [first, second].map(({ operations }) => operations?.[0]?.name),
      names,
    );
    assert.equal(second.nextPageToken, '');
  });

  it('refuses an unknown filter key (OP-3)', async () => {
    await assert.rejects(list({ name: 'main', filter: 'colour=red' }), hasCode(Code.InvalidArgument));
  });

  it('cancels at once, and the operation ends with CANCELLED in its response (OP-4, EX-2)', async () => {
    const name = await execute('a');

    assert.deepEqual(await cancel(name), {});

    const operation = await get(name);
    assert.equal(operation.done, true);
    assert.equal(operation.error ?? undefined, undefined);
    assert.equal(codeOf(operation), Code.Cancelled);
  });

  it('forgets an operation that is over, and refuses one that is going on (OP-5)', async () => {
    const name = await execute('a');
    await assert.rejects(forget(name), hasCode(Code.FailedPrecondition));
    await cancel(name);

    await forget(name);

    await assert.rejects(get(name), hasCode(Code.NotFound));
  });

  it('waits until the operation is done (OP-2)', async () => {
    const name = await execute('a');
    const waiting = wait({ name });

    await bench.jobs.work();

    assert.equal((await waiting).done, true);
  });

  for (const [title, request, deadlineMs] of [
    ['its time is over', { timeout: { seconds: 5 } }, 60_000],
    ['the deadline of the call comes', {}, 5_500],
  ] as const) {
    it(`answers with the state as it is when ${title} (OP-2)`, async () => {
      const { clock } = bench.jobs;
      const name = await execute('a');
      const { length } = clock.slept;
      const waiting = wait({ name, ...request }, fakeCallContext({ deadlineMs: clock.now() + deadlineMs }));
      await until(() => clock.slept.slice(length).includes(5_000) && clock.slept.slice(length).includes(2_000));

      clock.advance(5_000);

      assert.equal((await waiting).done, false);
    });
  }

  it('answers at once when there is no time to wait (OP-2)', async () => {
    const name = await execute('a');

    assert.equal((await wait({ name, timeout: {} })).done, false);
  });

  it('ends with the reason of an abort', async () => {
    const call = new AbortController();
    const waiting = wait({ name: await execute('a') }, fakeCallContext({ signal: call.signal }));

    call.abort(new StatusError(Code.Unavailable, 'The server is stopping'));

    await assert.rejects(waiting, hasCode(Code.Unavailable));
  });

  it('finds an operation that was answered from the cache', async () => {
    await bench.jobs.actionCache.update(actionNamed('a'), reapi.ActionResult.create({}));

    assert.equal((await get(await execute('a'))).done, true);
  });
});
