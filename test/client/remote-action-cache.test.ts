import assert from 'node:assert/strict';
import { RemoteActionCache } from '../../src/client/remote-action-cache.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';
import { scriptedRemote, type ScriptedRemote } from '../helpers/scripted-remote.js';

describe('RemoteActionCache', () => {
  let scripted: ScriptedRemote;
  let cache: RemoteActionCache;
  const actionDigest = Digest.of(Buffer.from('action'));

  beforeEach(async () => {
    scripted = await scriptedRemote();
    cache = new RemoteActionCache(scripted.remote);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  it('returns the result of the server', async () => {
    scripted.server.script.getActionResult = ({ instanceName, actionDigest: digest, digestFunction }) => {
      assert.deepEqual([instanceName, digest?.hash, digestFunction], ['main', actionDigest.hash, 1]);
      return { exitCode: 7 };
    };

    assert.equal((await cache.get(actionDigest))?.exitCode, 7);
  });

  it('takes NOT_FOUND, and nothing else, for a miss (AC-1)', async () => {
    let code: Code = Code.NotFound;
    scripted.server.script.getActionResult = () => {
      throw new StatusError(code, 'No');
    };

    assert.equal(await cache.get(actionDigest), undefined);
    code = Code.PermissionDenied;
    await assert.rejects(cache.get(actionDigest), hasCode(Code.PermissionDenied));
    code = Code.Unavailable;
    await assert.rejects(cache.get(actionDigest), hasCode(Code.Unavailable));
    assert.equal(scripted.clock.slept.length, 7);
  });

  it('stores a result', async () => {
    let stored: reapi.UpdateActionResultRequest | undefined;
    scripted.server.script.updateActionResult = (request) => {
      stored = request;
      return request.actionResult ?? {};
    };

    await cache.update(actionDigest, reapi.ActionResult.create({ exitCode: 3 }));

    assert.equal(stored?.actionResult?.exitCode, 3);
    assert.equal(stored.actionDigest?.hash, actionDigest.hash);
  });

  it('cannot delete on a server that has no admin calls, and says so in one sentence', async () => {
    await assert.rejects(cache.delete(actionDigest), (reason) => {
      assert.match(
        String(reason),
        /grpc:\/\/.* takes no admin calls: REAPI has none, and only a bgd server offers them$/,
      );
      return hasCode(Code.Unimplemented)(reason);
    });
  });
});
