import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { checkInstanceName } from '../../src/digest/instance-name.js';
import { reapi, rwapi } from '../../src/proto/index.js';
import { checkPlatformSize } from '../../src/scheduler/platform-check.js';
import { BotsService } from '../../src/services/bots-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { hintsOf } from '../../src/services/operation-message.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

/** What the job store keeps is read again and again, so that none of it may be as large as a message can be (U4). */
describe('What is kept of a message', () => {
  const invalid = hasCode(Code.InvalidArgument);
  const megabyte = 'x'.repeat(1024 * 1024);

  it('has no instance name of a megabyte', () => {
    assert.throws(() => checkInstanceName(megabyte), invalid);
    assert.equal(checkInstanceName('x'.repeat(1_024)).length, 1_024);
  });

  it('has no platform that takes seconds to match', () => {
    const platform = Array.from({ length: 700_000 }, (_, index) => ({ name: 'ISA', value: String(index) }));

    assert.throws(() => checkPlatformSize(platform), invalid);
    assert.doesNotThrow(() => checkPlatformSize(platform.slice(0, 1_000)));
  });

  it('has the wishes for inlined files only as long as they are few', () => {
    const request = (...inlineOutputFiles: string[]) =>
      reapi.ExecuteRequest.create({ inlineStdout: true, inlineOutputFiles });

    assert.deepEqual(JSON.parse(hintsOf(request('a'))), { inlineStdout: true, inlineOutputFiles: ['a'] });
    assert.deepEqual(JSON.parse(hintsOf(request('a', megabyte))), { inlineStdout: true });
  });

  const leases = Array.from({ length: 40_000 }, () => ({ id: 'id', state: rwapi.LeaseState.COMPLETED }));
  const sessions: Readonly<Record<string, rwapi.BotSession.$Properties>> = {
    'a bot_id of a megabyte': { botId: megabyte },
    'a worker of a megabyte': { botId: 'bot', worker: { properties: [{ key: 'ISA', value: megabyte }] } },
    'forty thousand leases': { botId: 'bot', leases },
  };
  for (const [what, session] of Object.entries(sessions)) {
    it(`has no BotSession with ${what}`, async () => {
      const service = new BotsService(new InstanceRegistry(new Map([['', {}]])));
      const { OK } = rwapi.BotStatus;
      const botSession = { ...session, name: 'it', status: OK };

      const created = service.createBotSession(rwapi.CreateBotSessionRequest.create({ botSession }), fakeCallContext());
      await assert.rejects(created, invalid);
      const request = rwapi.UpdateBotSessionRequest.create({ name: 'it', botSession });
      await assert.rejects(service.updateBotSession(request, fakeCallContext()), invalid);
    });
  }
});
