import assert from 'node:assert/strict';
import { BotsClient } from '../../src/client/bots-client.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { CallContext } from '../../src/services/call-context.js';
import { hasCode } from '../helpers/has-code.js';
import { scriptedRemote, type ScriptedRemote } from '../helpers/scripted-remote.js';

describe('BotsClient', () => {
  let scripted: ScriptedRemote;
  let bots: BotsClient;
  let contexts: CallContext[];

  beforeEach(async () => {
    contexts = [];
    scripted = await scriptedRemote({
      createBotSession: ({ parent, botSession }, context) => {
        contexts.push(context);
        return { ...botSession, name: `${parent}/1` };
      },
      updateBotSession: ({ botSession }, context) => {
        contexts.push(context);
        return botSession ?? {};
      },
    });
    bots = new BotsClient(scripted.remote.channel);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  it('creates and updates a session, with the deadline that it is given (RW-1, RW-2, RW-5)', async () => {
    const botSession = await bots.createBotSession(
      { parent: 'main', botSession: { botId: 'bot' } },
      { deadlineMs: 20_000 },
    );
    const updated = await bots.updateBotSession({ name: botSession.name, botSession }, { deadlineMs: 30_000 });

    assert.equal(updated.name, 'main/1');
    const deadlines = contexts.map(({ deadlineMs }) => Math.round((deadlineMs! - Date.now()) / 5_000) * 5_000);
    assert.deepEqual(deadlines, [20_000, 30_000]);
  });

  it('asks to be held while it is busy only when told to (RW-5)', async () => {
    await bots.updateBotSession({}, { deadlineMs: 5_000 });
    await bots.updateBotSession({}, { deadlineMs: 5_000, holdBusy: true });

    assert.deepEqual(
      contexts.map((context) => context.header('bgd-hold-busy')),
      [undefined, '1'],
    );
  });

  it('repeats nothing: what a session holds is known to its bot alone', async () => {
    scripted.server.script.updateBotSession = () => {
      throw new StatusError(Code.Unavailable, 'Draining');
    };

    await assert.rejects(bots.updateBotSession({}, { deadlineMs: 5_000 }), hasCode(Code.Unavailable));

    assert.equal(scripted.server.count('updateBotSession'), 1);
  });
});
