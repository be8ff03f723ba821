import assert from 'node:assert/strict';
import { Client } from '../../src/client/client.js';
import { summariseOperation } from '../../src/client/operation-summary.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { bgdadmin, rwapi } from '../../src/proto/index.js';
import { millisecondsOf } from '../../src/proto/timestamp.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import { hasCode } from '../helpers/has-code.js';
import { LookedAfterServer } from '../helpers/looked-after-server.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const { LeaseState, BotStatus } = rwapi;
const { ACCEPTING, CLOSED, DRAINED } = bgdadmin.Bot.Status;
const unknownName = 'main/operations/00000000-0000-4000-8000-000000000000';

describe('Looking after jobs and bots', () => {
  let server: LookedAfterServer;
  let client: Client;
  let closed: Client;

  beforeEach(async () => {
    server = await LookedAfterServer.start();
    ({ client } = server);
    closed = await Client.connect({ url: server.url, instanceName: 'closed' });
  });

  afterEach(async () => {
    await closed[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it('shows the history of an operation, its bot and its labels', async () => {
    const name = await server.execute('a', 'gpu');
    const session = await server.connect('bot', 'gpu');
    await server.report(session, LeaseState.ACTIVE);

    const details = await client.admin.operationDetails(name);

    assert.equal(summariseOperation(details.operation!).stage, 'EXECUTING');
    assert.deepEqual(
      details.platform?.properties?.map((each) => `${each.name}=${each.value}`),
      ['pool=gpu'],
    );
    assert.deepEqual(
      details.attempts.map(({ number, botId, sessionName, outcome }) => [number, botId, sessionName, outcome]),
      [[1, 'bot', session.name, '']],
    );
    assert.ok(millisecondsOf(details.startedAt)! >= millisecondsOf(details.leasedAt)!);
    assert.ok(millisecondsOf(details.asOf)! >= millisecondsOf(details.startedAt)!);
    assert.equal(details.waiting ?? undefined, undefined);
    const text = JSON.stringify(details);
    for (const { id } of session.leases) assert.ok(!text.includes(id!), 'Who knows a lease may report on it (S5)');
  });

  it('says why an operation waits: what no bot offers, who is busy, who goes first', async () => {
    await server.connect('bot', 'cpu');
    const unserved = await server.execute('a', 'gpu');
    await server.execute('running', 'cpu');
    await server.connect('worker', 'cpu');
    await server.execute('next', 'cpu');
    await server.connect('other', 'cpu', BotStatus.UNHEALTHY);
    const last = await server.execute('last', 'cpu');
    await client.admin.drainBot('bot', true);

    const why = async (name: string) => (await client.admin.operationDetails(name)).waiting ?? {};

    assert.match((await why(unserved)).message ?? '', /no bot offers "pool"="gpu"; nearest: .*lacks "pool"="gpu"/);
    const waiting = await why(last);
    assert.equal(waiting.message, 'the bot that fits is busy; 1 of its platform go first');
    assert.deepEqual([waiting.ahead, waiting.idleBots, waiting.busyBots, waiting.drainingBots], [1, 0, 1, 2]);
  });

  it('lists bots with what they have, some of them, and a page at a time', async () => {
    const name = await server.execute('a', 'gpu');
    await server.connect('b-gpu', 'gpu');
    await server.connect('a-cpu', 'cpu', BotStatus.UNHEALTHY);
    await server.connect('c-gpu', 'gpu');
    await client.admin.drainBot('c-gpu', true);

    const { bots, asOf } = await client.admin.listBots({});

    assert.deepEqual(
      bots.map(({ botId, status, lease }) => [botId, status, lease?.operationName ?? '']),
      [
        ['a-cpu', CLOSED, ''],
        ['b-gpu', ACCEPTING, name],
        ['c-gpu', DRAINED, ''],
      ],
    );
    assert.ok(millisecondsOf(bots[0]?.expiresAt)! > millisecondsOf(asOf)!);
    const properties = [{ name: 'pool', value: 'gpu' }];
    const first = await client.admin.listBots({ properties, pageSize: 1 });
    const second = await client.admin.listBots({ properties, pageSize: 1, pageToken: first.nextPageToken });
    assert.deepEqual(
      [first, second].map((page) => page.bots.map(({ botId }) => botId)),
      [['b-gpu'], ['c-gpu']],
    );
    assert.equal(second.nextPageToken, '');
    for (const request of [{ pageToken: first.nextPageToken }, { pageToken: 'x' }, { pageSize: -1 }])
      await assert.rejects(client.admin.listBots(request), hasCode(Code.InvalidArgument));
  });

  it('gives a drained bot nothing while it is held, and work as soon as that is undone', async () => {
    const session = await server.connect('bot', 'cpu');
    await client.admin.drainBot('bot', true);
    await server.execute('a', 'cpu');

    const drained = await server.report(session, LeaseState.ACTIVE);
    await client.admin.drainBot('bot', false);
    const undrained = await server.report(drained, LeaseState.ACTIVE);

    assert.deepEqual([drained.leases.length, undrained.leases.length], [0, 1]);
  });

  for (const order of [
    ['drained', 'other'],
    ['other', 'drained'],
  ]) {
    it(`leaves a job to the bot that can take it, while ${order.join(' and ')} are held`, async () => {
      const sessions = [];
      for (const botId of order) sessions.push(await server.connect(botId, 'cpu'));
      await client.admin.drainBot('drained', true);
      const held = sessions.map((session) => server.report(session, LeaseState.ACTIVE));

      await server.execute('a', 'cpu');

      const given = (await Promise.all(held)).filter(({ leases }) => leases.length > 0);
      assert.deepEqual(
        given.map(({ botId }) => botId),
        ['other'],
      );
    });
  }

  it('takes a job away from its bot and gives it to another; the late report changes nothing', async () => {
    const name = await server.execute('a', 'cpu');
    const session = await server.connect('bot', 'cpu');
    const running = await server.report(session, LeaseState.ACTIVE);

    await client.admin.requeue(name);
    const told = await server.report(running, LeaseState.ACTIVE);
    const other = await server.connect('other', 'cpu');
    await server.report(told, LeaseState.COMPLETED);

    assert.deepEqual(
      told.leases.map(({ state }) => state),
      [LeaseState.CANCELLED],
    );
    assert.equal(other.leases.length, 1);
    const { attempts, operation } = await client.admin.operationDetails(name);
    assert.deepEqual(
      attempts.map(({ number, botId, outcome }) => [number, botId, outcome]),
      [
        [1, 'bot', 'requeued'],
        [1, 'other', ''],
      ],
    );
    assert.equal(operation?.done ?? false, false);
  });

  it('refuses to queue again what waits or is over, and says so', async () => {
    const name = await server.execute('a', 'cpu');

    await assert.rejects(client.admin.requeue(name), /waits in the queue already/);
    await client.operations.cancel(name);
    await assert.rejects(client.admin.requeue(name), (reason) => {
      assert.match(String(reason), /is over: only one that a bot has/);
      return hasCode(Code.FailedPrecondition)(reason);
    });
  });

  it('knows no operation or bot that is not there, and no name that is none (EX-4, OP-1)', async () => {
    const name = await server.execute('a', 'cpu');
    const elsewhere = name.replace('main/', '');
    for (const call of [
      client.admin.operationDetails(unknownName),
      client.admin.requeue(unknownName),
      client.admin.drainBot('nobody', true),
      client.admin.drainBot('nobody', false),
    ]) {
      await assert.rejects(call, hasCode(Code.NotFound));
    }
    for (const call of [client.admin.operationDetails('no name'), client.admin.requeue(elsewhere)])
      await assert.rejects(call, hasCode(Code.InvalidArgument));
  });

  it('tells in lists which bot has an operation, and to which build it belongs', async () => {
    const connection = { url: server.url, instanceName: 'main' };
    await using named = await Client.connect({ ...connection, requestMetadata: { toolInvocationId: 'build' } });
    await server.execute('a', 'cpu', named);
    await server.connect('bot', 'cpu');

    for await (const listed of client.operations.list()) {
      const { worker, invocation, stage } = summariseOperation(listed);
      assert.deepEqual([worker, invocation, stage], ['bot', 'build', 'QUEUED']);
      return;
    }
    assert.fail('Nothing is listed');
  });

  const rights: Readonly<Record<string, (admin: Client['admin']) => Promise<unknown>>> = {
    deleteActionResult: (admin) => admin.deleteActionResult(Digest.of(Buffer.from('a'))),
    getCasStats: (admin) => admin.casStats(),
    getOperationDetails: (admin) => admin.operationDetails(unknownName.replace('main', 'closed')),
    requeueOperation: (admin) => admin.requeue(unknownName.replace('main', 'closed')),
    listBots: (admin) => admin.listBots({}),
    drainBot: (admin) => admin.drainBot('bot', true),
  };
  for (const [method, call] of Object.entries(rights)) {
    it(`refuses ${method} where it is not allowed, and says what would (S4)`, async () => {
      await assert.rejects(call(closed.admin), (reason) => {
        assert.match(String(reason), /not allowed for instance "closed": "admin: true" in its configuration/);
        return hasCode(Code.PermissionDenied)(reason);
      });
    });
  }

  it('has a right for every method (S4)', () => {
    assert.deepEqual(Object.keys(serviceDefinition(serviceNames.admin)).sort(), Object.keys(rights).sort());
  });
});

describe('A drained bot', () => {
  it('stays drained when the server starts anew', async () => {
    await using folder = await temporaryDirectory();
    const dataStore = `!sql-data-store &jobs {connection-string: 'sqlite:///${folder.path}/jobs.db'}`;
    {
      await using server = await LookedAfterServer.start(dataStore);
      await server.connect('bot', 'cpu');
      await server.client.admin.drainBot('bot', true);
    }

    await using server = await LookedAfterServer.start(dataStore);
    await server.connect('bot', 'cpu');

    const { bots } = await server.client.admin.listBots({});
    assert.deepEqual(
      bots.map(({ botId, status }) => [botId, status]),
      [['bot', DRAINED]],
    );
  });
});
