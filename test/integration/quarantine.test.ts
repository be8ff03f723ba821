import assert from 'node:assert/strict';
import { Client } from '../../src/client/client.js';
import { draftAction, type ActionDraft } from '../../src/client/action-draft.js';
import { executeResponseOf } from '../../src/client/operation-messages.js';
import { uploadMissing } from '../../src/client/upload-missing.js';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { rwapi, type longrunning, type rpc } from '../../src/proto/index.js';
import { Cluster } from '../helpers/cluster.js';

describe('An action that bots vanish with', function () {
  this.timeout(120_000);
  const lifecycle = new Lifecycle();

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  const connect = async (url: string): Promise<Client> => lifecycle.use(await Client.connect({ url }));

  async function draft(client: Client, word: string): Promise<ActionDraft> {
    const action = await draftAction({ argv: ['echo', word] });
    await uploadMissing(client.blobs, action.sources, {});
    return action;
  }

  /** The bot `bot` starts, and is given what waits. */
  const startBot = (client: Client): Promise<rwapi.BotSession> =>
    client.bots.createBotSession(
      { parent: '', botSession: { botId: 'bot', status: rwapi.BotStatus.OK } },
      { deadlineMs: 10_000 },
    );

  const begin = (client: Client, { digest }: ActionDraft): AsyncGenerator<longrunning.Operation, void, undefined> =>
    client.execution.execute({ actionDigest: digest });

  async function statusOf(states: AsyncGenerator<longrunning.Operation, void, undefined>): Promise<rpc.Status> {
    for (;;) {
      const { value } = await states.next();
      assert.ok(value, 'The stream ended before the operation did');
      if (value.done) return executeResponseOf(value)?.status as rpc.Status;
    }
  }

  it('ends with an error after 5 attempts, and is then refused by every controller, also after a restart (U3)', async () => {
    const cluster = lifecycle.use(await Cluster.create());
    const [a, b] = [await cluster.start(), await cluster.start()];
    const [clientA, clientB] = [await connect(a.url), await connect(b.url)];
    const [killer, other] = [await draft(clientA, 'killer'), await draft(clientA, 'other')];

    const first = begin(clientA, killer);
    await first.next();
    const leases = [];
    for (let attempt = 1; attempt <= 6; attempt += 1) leases.push((await startBot(clientB)).leases.length);
    const ended = await statusOf(first);
    const refused = await statusOf(begin(clientB, killer));
    a.process.kill('SIGKILL');
    await a.process.ended;
    await cluster.start(a.url);
    const afterwards = await statusOf(begin(await connect(a.url), killer));
    const harmless = await begin(clientB, other).next();

    assert.deepEqual(leases, [1, 1, 1, 1, 1, 0]);
    assert.equal(ended.code, Code.FailedPrecondition);
    assert.match(ended.message, /5 attempts.*bot "bot": it started anew while it had the lease/);
    for (const { code, message, details } of [refused, afterwards]) {
      assert.equal(code, Code.FailedPrecondition);
      assert.match(message, /quarantined until 20.*Z: in 5 of its 5 attempts the bot vanished \("bot" at 20/);
      assert.deepEqual(details, []);
    }
    assert.equal(harmless.value?.done, false);
  });

  it('is executed again where quarantine is off', async () => {
    const change = (config: string): string =>
      config.replace('- !execution', '- !execution\n        quarantine-time: 0');
    const cluster = lifecycle.use(await Cluster.create({ change }));
    const client = await connect((await cluster.start()).url);
    const killer = await draft(client, 'killer');
    const first = begin(client, killer);
    await first.next();
    for (let attempt = 1; attempt <= 6; attempt += 1) await startBot(client);
    await statusOf(first);

    const { value } = await begin(client, killer).next();

    assert.equal(value?.done, false);
  });
});
