import assert from 'node:assert/strict';
import { Client } from '../../src/client/client.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { ConfigServer } from '../helpers/config-server.js';
import { hasCode } from '../helpers/has-code.js';

const action = Digest.of(Buffer.from('an action'));

const printing = (text: string, exitCode = 0): reapi.ActionResult =>
  reapi.ActionResult.create({ exitCode, stdoutRaw: Buffer.from(text) });

const hashOf = (text: string): string => Digest.of(Buffer.from(text)).hash;

describe('What callers may write to an action cache', () => {
  it('is each result once where !write-once-action-cache says so, by any of its instances', async () => {
    await using server = await ConfigServer.start(`
instances:
  - name: one
    storages: [!lru-storage &cas {size: 1M}]
    caches: [!action-cache &results {storage: *cas}]
    services:
      - !cas {storage: *cas}
      - !write-once-action-cache {action-cache: *results}
  - name: two
    services:
      - !cas {storage: *cas}
      - !write-once-action-cache {action-cache: *results}
`);
    await using one = await Client.connect({ url: server.url, instanceName: 'one' });
    await using two = await Client.connect({ url: server.url, instanceName: 'two' });

    const outcomes = await Promise.allSettled([
      one.actionCache.update(action, printing('first')),
      two.actionCache.update(action, printing('second')),
    ]);

    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    assert.equal(failures.length, 1);
    assert.ok(hasCode(Code.AlreadyExists)(failures[0]));
    const kept = outcomes[0].status === 'fulfilled' ? 'first' : 'second';
    assert.equal((await two.actionCache.get(action))?.stdoutDigest?.hash, hashOf(kept));
  });

  it('is no failure, unless cache-failed-actions says so (AC-8)', async () => {
    await using server = await ConfigServer.start(`
instances:
  - name: strict
    services:
      - !action-cache {storage: !lru-storage {size: 1M}}
  - name: lax
    services:
      - !action-cache {storage: !lru-storage {size: 1M}, cache-failed-actions: true}
`);
    await using strict = await Client.connect({ url: server.url, instanceName: 'strict' });
    await using lax = await Client.connect({ url: server.url, instanceName: 'lax' });

    await assert.rejects(strict.actionCache.update(action, printing('', 3)), hasCode(Code.FailedPrecondition));
    await lax.actionCache.update(action, printing('', 3));

    assert.equal(await strict.actionCache.get(action), undefined);
    assert.equal((await lax.actionCache.get(action))?.exitCode, 3);
  });
});
