import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { CommandHarness } from './command-harness.js';
import { operationOf } from './command-server.js';

const { EXECUTING, COMPLETED, QUEUED } = reapi.ExecutionStage.Value;

describe('bgd operation', () => {
  let harness: CommandHarness;
  const action = String(Digest.of(Buffer.from('action')));

  beforeEach(async () => (harness = await CommandHarness.create()));
  afterEach(() => harness[Symbol.asyncDispose]());

  it('lists operations with how they stand', async () => {
    harness.server.operations = [
      operationOf(EXECUTING),
      { ...operationOf(COMPLETED, { result: { exitCode: 7 } }), name: 'operations/2' },
      { ...operationOf(COMPLETED, { status: { code: Code.Cancelled, message: 'gone' } }), name: 'operations/3' },
    ];

    const { code, stdout } = await harness.run('operation', 'list');

    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/).slice(0, 2));
    assert.equal(code, 0);
    assert.deepEqual(lines, [
      ['NAME', 'STATE'],
      ['operations/1', 'EXECUTING'],
      ['operations/2', 'exit 7'],
      ['operations/3', 'CANCELLED'],
    ]);
  });

  it('lists nothing on stdout when there are none', async () => {
    const plain = await harness.run('operation', 'list');
    const json = await harness.run('operation', 'list', '--json');

    assert.deepEqual([plain.code, plain.stdout, plain.stderr], [0, '', 'There are no operations.\n']);
    assert.deepEqual(JSON.parse(json.stdout), []);
  });

  it('shows one operation, a fact a line, or as JSON', async () => {
    harness.server.operations = [operationOf(QUEUED)];

    const plain = await harness.run('operation', 'status', 'operations/1');
    const json = await harness.run('operation', 'status', '--json', 'operations/1');

    assert.equal(plain.stdout, `name: operations/1\nstate: QUEUED\naction: ${action}\n`);
    const expected = { name: 'operations/1', stage: 'QUEUED', done: false, actionDigest: action };
    assert.deepEqual(JSON.parse(json.stdout), expected);
  });

  it('exits with 3 for an operation that is not known', async () => {
    const { code, stderr } = await harness.run('operation', 'status', 'operations/9');

    assert.deepEqual({ code, stderr }, { code: 3, stderr: 'Error: Operation "operations/9" is not known\n' });
  });

  it('cancels an operation', async () => {
    const { code, stdout } = await harness.run('operation', 'cancel', 'operations/1');

    assert.deepEqual({ code, stdout }, { code: 0, stdout: '' });
    assert.deepEqual(harness.server.cancelled, ['operations/1']);
  });

  it('waits until an operation is done and shows how it ended', async () => {
    harness.server.execute = async function* () {
      yield operationOf(EXECUTING);
      yield operationOf(COMPLETED, { result: { exitCode: 0 }, cachedResult: true });
    };

    const { code, stdout, stderr } = await harness.run('operation', 'wait', 'operations/1');

    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^name: operations\/1\nstate: exit 0 \(cached\)\n/);
  });

  for (const [signal, exit, word] of [
    ['SIGINT', 130, 'Interrupted'],
    ['SIGTERM', 143, 'Terminated'],
  ] as const) {
    it(`leaves the operation alone when the wait ends by ${signal}, and exits with ${exit}`, async () => {
      const { promise: waiting, resolve } = withResolver();
      harness.server.execute = async function* (_request, { signal }) {
        yield operationOf(EXECUTING);
        resolve();
        await new Promise((over) => signal.addEventListener('abort', over));
      };

      const process = harness.start('operation', 'wait', 'operations/1');
      await waiting;
      process.kill(signal);
      const { code, stderr } = await process.ended;

      assert.deepEqual({ code, stderr }, { code: exit, stderr: `Error: ${word}\n` });
      assert.deepEqual(harness.server.cancelled, []);
    });
  }
});

function withResolver(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
