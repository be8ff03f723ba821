import assert from 'node:assert/strict';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { CommandHarness } from './command-harness.js';

describe('bgd action-cache', () => {
  let harness: CommandHarness;
  const action = String(Digest.of(Buffer.from('an action')));

  afterEach(() => harness[Symbol.asyncDispose]());

  async function storeResult(): Promise<Digest> {
    const digest = (await harness.server.store(Buffer.from('object'))).toProto();
    const result = {
      exitCode: 0,
      outputFiles: [{ path: 'main.o', digest, isExecutable: true }],
      executionMetadata: { worker: 'worker-1', queuedTimestamp: { seconds: 1_700_000_000, nanos: 5_000_000 } },
    };
    return harness.server.store(reapi.ActionResult.encode(result).finish());
  }

  it('stores a result that is in the CAS, and shows it to people', async () => {
    harness = await CommandHarness.create();
    const result = await storeResult();

    const update = await harness.run('action-cache', 'update', action, String(result));
    const get = await harness.run('actioncache', 'get', action);

    assert.deepEqual([update.code, update.stdout, update.stderr], [0, '', '']);
    const object = String(Digest.of(Buffer.from('object')));
    assert.equal(get.stdout, `exit code: 0\nworker: worker-1\nfile: main.o ${object} (executable)\n`);
  });

  it('prints the ActionResult as protobuf JSON', async () => {
    harness = await CommandHarness.create();
    await harness.run('action-cache', 'update', action, String(await storeResult()));

    const { stdout } = await harness.run('action-cache', 'get', '--json', action);

    const { hash } = Digest.of(Buffer.from('object'));
    const parsed = JSON.parse(stdout) as { outputFiles: unknown; executionMetadata: { queuedTimestamp: string } };
    assert.deepEqual(parsed.outputFiles, [{ path: 'main.o', digest: { hash, sizeBytes: '6' }, isExecutable: true }]);
    assert.equal(parsed.executionMetadata.queuedTimestamp, '2023-11-14T22:13:20.005Z');
  });

  it('exits with 3 on a miss, with --json too', async () => {
    harness = await CommandHarness.create();

    const plain = await harness.run('action-cache', 'get', action);
    const json = await harness.run('action-cache', 'get', '--json', action);

    const message = `No result is cached for action ${action}`;
    assert.deepEqual([plain.code, plain.stdout, plain.stderr], [3, '', `Error: ${message}\n`]);
    assert.deepEqual([json.code, JSON.parse(json.stdout)], [3, { error: { code: 'NOT_FOUND', message, exitCode: 3 } }]);
  });

  it('exits with 5 when the server refuses updates', async () => {
    harness = await CommandHarness.create({ allowsUpdates: false });

    const { code, stderr } = await harness.run('action-cache', 'update', action, String(await storeResult()));

    assert.equal(code, 5);
    assert.match(stderr, /^Error: Clients may not write the action cache[^\n]*\n$/);
  });

  it('exits with 3 when the result is not in the CAS, with 2 when it is none', async () => {
    harness = await CommandHarness.create();
    const other = await harness.server.store(Buffer.from('no message'));

    const absent = await harness.run('action-cache', 'update', action, `${'b'.repeat(64)}/7`);
    const malformed = await harness.run('action-cache', 'update', action, String(other));

    assert.deepEqual([absent.code, malformed.code], [3, 2]);
  });

  it('has results forgotten, and names those that were not there with exit code 3', async () => {
    harness = await CommandHarness.create();
    const other = String(Digest.of(Buffer.from('another action')));
    await harness.run('action-cache', 'update', action, String(await storeResult()));

    const first = await harness.run('action-cache', 'delete', action, '--json');
    const second = await harness.run('action-cache', 'delete', other, action);

    assert.deepEqual([first.code, JSON.parse(first.stdout)], [0, [{ action }]]);
    assert.deepEqual(
      [second.code, second.stdout, second.stderr],
      [3, '', `Error: No result is cached for the actions ${other}, ${action}\n`],
    );
    assert.equal((await harness.run('action-cache', 'get', action)).code, 3);
  });

  it('exits with 5 where the server allows no admin calls, saying what would', async () => {
    harness = await CommandHarness.create({ allowsAdmin: false });

    const { code, stderr } = await harness.run('action-cache', 'delete', action);

    assert.equal(code, 5);
    assert.match(stderr, /^Error: Admin calls are not allowed for instance "": "admin: true"[^\n]*\n$/);
  });
});
