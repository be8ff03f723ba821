import assert from 'node:assert/strict';
import { CommandHarness } from './command-harness.js';

describe('bgd capabilities', () => {
  let harness: CommandHarness;

  beforeEach(async () => (harness = await CommandHarness.create()));
  afterEach(() => harness[Symbol.asyncDispose]());

  it('prints what the server can do as protobuf JSON, with --json and without', async () => {
    const plain = await harness.run('capabilities');
    const json = await harness.run('capabilities', '--json');

    const { cacheCapabilities, highApiVersion } = JSON.parse(plain.stdout) as Record<string, Record<string, unknown>>;
    assert.deepEqual([plain.code, plain.stderr], [0, '']);
    assert.ok((cacheCapabilities?.['digestFunctions'] as string[]).includes('SHA256'));
    assert.equal(highApiVersion?.['major'], 2);
    assert.equal(json.stdout, plain.stdout);
  });

  it('exits with 4 when the server cannot be reached, and says what to do', async () => {
    const { code, stdout, stderr } = await harness.run('capabilities', '--remote', 'grpc://127.0.0.1:1');

    assert.deepEqual([code, stdout], [4, '']);
    assert.match(stderr, /^Error: cannot reach grpc:\/\/127\.0\.0\.1:1: connection refused[^\n]*--remote URL\)\n$/);
  });

  it('exits with 2 for a URL that cannot be', async () => {
    const { code, stderr } = await harness.run('capabilities', '--remote', 'gopher://localhost');

    assert.equal(code, 2);
    assert.match(stderr, /^Error: "gopher:\/\/localhost" is not the URL of a server[^\n]*\n$/);
  });

  it('shows the stack of a failure only when DEBUG is set', async () => {
    const { stderr } = await harness.startWith({ DEBUG: '1' }, 'capabilities', '--remote', 'grpc://127.0.0.1:1').ended;

    assert.match(stderr, /\n {4}at .*src\/client\/call-errors\.ts/);
  });
});
