import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { draftAction } from '../../src/client/action-draft.js';
import { Client } from '../../src/client/client.js';
import { executeAction } from '../../src/client/execute-action.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { Cluster } from '../helpers/cluster.js';
import { GrpcTap } from '../helpers/grpc-tap.js';
import { PostgresServer } from '../helpers/postgres.js';

const clientCount = 20;

describe('A controller whose PostgreSQL is killed', function () {
  this.timeout(120_000);

  it('keeps the streams that wait, says so once, and goes on when it is back (U5)', async () => {
    await using lifecycle = new Lifecycle();
    const postgres = lifecycle.use(await PostgresServer.start([]));
    const cluster = lifecycle.use(await Cluster.create({ postgres }));
    const controller = await cluster.start();
    const tap = lifecycle.use(await GrpcTap.open(controller.url));
    const client = lifecycle.use(await Client.connect({ url: tap.url }));
    const waiting = Array.from({ length: clientCount }, async (_, index) =>
      executeAction(client, await draftAction({ argv: ['printf', '%s', String(index)] })),
    );
    const queued = async (): Promise<number> =>
      (await cluster.query<{ count: number }>('SELECT count(*) AS count FROM jobs'))[0]?.count ?? 0;
    while ((await queued()) < clientCount) await delay(50);

    await postgres.crash();
    // Longer than a sweep, and than it takes until clients are told why they wait.
    await delay(8_000);
    await postgres.start([]);
    await controller.process.output('stderr', /notifications.*answers again|answers again.*notifications/);
    await cluster.site.work(controller.url);
    const outcomes = await Promise.all(waiting);

    assert.deepEqual(
      outcomes.map(({ result }) => String(Buffer.from(result?.stdoutRaw ?? []))),
      Array.from({ length: clientCount }, (_, index) => String(index)),
    );
    const seen = tap.take();
    assert.equal(seen.count('Execution/Execute'), clientCount);
    assert.equal(seen.count('Execution/WaitExecution'), 0, 'A stream broke');
    const lines = controller.process.stderr
      .split('\n')
      .filter((line) => line.includes('A service that stores depend on'));
    // Of the statements, and of the line for notifications.
    assert.equal(lines.filter((line) => line.includes('depend on fails')).length, 2, controller.process.stderr);
    assert.equal(lines.filter((line) => line.includes('answers again')).length, 2, controller.process.stderr);
  });
});
