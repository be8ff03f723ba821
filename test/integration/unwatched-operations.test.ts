import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../../src/client/client.js';
import { draftAction } from '../../src/client/action-draft.js';
import { executionFailureOf } from '../../src/client/operation-messages.js';
import { uploadMissing } from '../../src/client/upload-missing.js';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { Cluster } from '../helpers/cluster.js';
import { TcpSwitch } from '../helpers/tcp-switch.js';

describe('Operations that nobody watches', function () {
  this.timeout(180_000);
  const lifecycle = new Lifecycle();

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  const connect = async (url: string): Promise<Client> => lifecycle.use(await Client.connect({ url }));

  /** Begins to execute a command, and follows it until `signal` aborts. */
  async function execute(client: Client, word: string, signal?: AbortSignal) {
    const { digest, sources } = await draftAction({ argv: ['echo', word] });
    await uploadMissing(client.blobs, sources, {});
    const states = client.execution.execute({ actionDigest: digest }, signal);
    const { value } = await states.next();
    assert.ok(value);
    const ended = (async () => {
      let last = value;
      for await (last of states);
      return last;
    })();
    ended.catch(() => undefined);
    return { name: value.name, ended };
  }

  it('are cancelled after the time that is set, and go on for a client whose controller is killed (EX-8)', async () => {
    const change = (config: string): string =>
      config.replace('- !execution', '- !execution\n        cancel-unwatched-after: 10');
    const cluster = lifecycle.use(await Cluster.create({ change }));
    const [a, b] = [await cluster.start(), await cluster.start()];
    const line = lifecycle.use(await TcpSwitch.open([a.url]));
    const [direct, switched] = [await connect(b.url), await connect(line.url)];
    const leaving = new AbortController();
    const stages = async (): Promise<Record<string, number>> => {
      const rows = await cluster.query<{ id: string; stage: number }>(
        'SELECT operations.id, jobs.stage FROM operations JOIN jobs ON jobs.id = operations.job_id',
      );
      return Object.fromEntries(rows.map(({ id, stage }) => [id, stage]));
    };
    const idOf = ({ name }: { name: string }): string => name.split('/').at(-1)!;

    const kept = await execute(switched, 'kept');
    const left = await execute(direct, 'left', leaving.signal);
    line.turnTo(b.url);
    a.process.kill('SIGKILL');
    await a.process.ended;
    leaving.abort();
    const leftAtMs = Date.now();
    while ((await stages())[idOf(left)] !== 4) await delay(200);
    const waitedMs = Date.now() - leftAtMs;

    assert.ok(waitedMs >= 10_000, `cancelled after ${waitedMs} ms`);
    assert.equal((await stages())[idOf(kept)], 2);
    const failure = executionFailureOf(await direct.operations.get(left.name));
    assert.equal(failure?.code, Code.Cancelled);
    await direct.operations.cancel(kept.name);
    assert.equal(executionFailureOf(await kept.ended)?.code, Code.Cancelled);
  });
});
