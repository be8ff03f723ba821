import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { Client } from '../../src/client/client.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import type { CallContext } from '../../src/services/call-context.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { ConfigServer } from '../helpers/config-server.js';
import { hasCode } from '../helpers/has-code.js';
import { ScriptedServer } from '../helpers/scripted-server.js';

/** A server that lets callers in who show the right token. */
async function guarded(accepts: () => string): Promise<ScriptedServer> {
  const check = (context: CallContext): void => {
    if (context.header('authorization') === `Bearer ${accepts()}`) return;
    throw new StatusError(Code.Unauthenticated, 'No valid authorization or authentication provided');
  };
  return ScriptedServer.listen({
    getCapabilities: (_request, context) => {
      check(context);
      return { cacheCapabilities: { maxBatchTotalSizeBytes: 1_000_000 } };
    },
    findMissingBlobs: (_request, context) => {
      check(context);
      return {};
    },
    getActionResult: (_request, context) => {
      check(context);
      return { exitCode: 0, executionMetadata: { worker: 'behind' } };
    },
  });
}

describe('A bearer token', () => {
  const secret = 'tell-nobody.0123456789';
  const blob = Digest.of(Buffer.from('blob'));
  let site: BgdSite;

  beforeEach(async () => {
    site = await BgdSite.create();
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const front = (url: string, credentials: string, environment: Readonly<Record<string, string>> = {}) =>
    ConfigServer.start(
      `
instances:
  - name: ''
    services:
      - !cas {storage: !remote-storage {url: '${url}', instance-name: '', credentials: ${credentials}}}
      - !remote-action-cache {url: '${url}', instance-name: '', credentials: ${credentials}}
`,
      { environment },
    );

  it('is sent by !remote-storage and !remote-action-cache, from a file as BuildGrid names it', async () => {
    await using server = await guarded(() => secret);
    const file = await site.write('token', `${secret}\n`);
    await using gate = await front(server.url, `{auth-token: ${file}}`);
    await using client = await Client.connect({ url: gate.url });

    assert.deepEqual(await client.blobs.findMissing([blob]), []);
    assert.equal((await client.actionCache.get(blob))?.executionMetadata?.worker, 'behind');
  });

  it('may come from the environment or from another file', async () => {
    await using server = await guarded(() => secret);
    const file = await site.write('token', `${secret}\n`);
    const places = ["{bearer-token: !expand-path '${TOKEN}'}", `{bearer-token: !read-file '${file}'}`];

    for (const credentials of places) {
      await using gate = await front(server.url, credentials, { TOKEN: secret });
      await using client = await Client.connect({ url: gate.url });
      assert.deepEqual(await client.blobs.findMissing([blob]), []);
    }
  });

  it('is read again when its file has changed, while the server goes on', async () => {
    let accepted = 'first';
    await using server = await guarded(() => accepted);
    const file = await site.write('token', 'first');
    await using gate = await front(server.url, `{auth-token: ${file}, token-refresh-seconds: 3600}`);
    await using client = await Client.connect({ url: gate.url });
    await client.blobs.findMissing([blob]);

    accepted = 'second';
    await writeFile(file, 'second');

    await assert.rejects(client.blobs.findMissing([blob]), hasCode(Code.Unauthenticated));
    assert.deepEqual(await client.blobs.findMissing([blob]), [], 'the file was looked at after the refusal');
  });

  it('is nowhere in what a server tells, writes into its log or refuses (S6)', async () => {
    await using server = await guarded(() => 'another');
    const file = await site.write('token', secret);
    const config = await site.write(
      'front.yml',
      `server: [!channel {address: 127.0.0.1, port: 0}]
instances:
  - name: ''
    services:
      - !cas {storage: !remote-storage {url: '${server.url}', instance-name: '', credentials: {auth-token: ${file}}}}
      - !remote-action-cache
        url: '${server.url}'
        instance-name: ''
        credentials: {bearer-token: !expand-path '\${TOKEN}'}
`,
    );
    const { process: gate, url } = await site.serve(['-v', config], { TOKEN: secret, DEBUG: '1' });

    const capabilities = await site.bgd(['cas', 'upload-file', '--json', '--remote', url, file], { DEBUG: '1' }).ended;
    const get = await site.bgd(['action-cache', 'get', '--remote', url, String(blob)], { DEBUG: '1' }).ended;
    gate.kill('SIGTERM');
    const { stdout, stderr } = await gate.ended;

    assert.deepEqual([capabilities.code, get.code], [5, 5]);
    const told = [stdout, stderr, capabilities.stdout, capabilities.stderr, get.stdout, get.stderr].join('\n');
    assert.match(told, /No valid authorization/);
    assert.ok(!told.includes(secret), told);
  });

  it('is nowhere in what a client says when it is refused, whatever is asked of it (S6)', async () => {
    await using server = await guarded(() => 'another');
    const file = await site.write('token', `${secret}\n`);

    for (const flags of [[], ['--json']]) {
      const args = ['capabilities', '--remote', server.url, '--auth-token', file, ...flags];
      const { code, stdout, stderr } = await site.bgd(args, { DEBUG: '1' }).ended;

      assert.equal(code, 5);
      assert.match(stdout + stderr, /No valid authorization/);
      assert.ok(!(stdout + stderr).includes(secret));
    }
  });

  it('is not shown by faults of a configuration, nor of a file (S6)', async () => {
    const broken = `${secret} with spaces`;
    const file = await site.write('token', broken);
    await using server = await guarded(() => secret);

    for (const [credentials, text] of [
      [`{bearer-token: '${broken}'}`, /bearer-token: a token is wanted here/],
      ["{bearer-token: !expand-path '${NO_SUCH}'}", /is the environment variable set/],
      [
        `{bearer-token: ${secret}, auth-token: ${file}}`,
        /auth-token, which is a file, or bearer-token is wanted, not both/,
      ],
      [`{token-refresh-seconds: 3}`, /goes with auth-token/],
      [`{auth-token: ${file}}`, /The authentication token has spaces/],
    ] as const) {
      await assert.rejects(front(server.url, credentials), (reason) => {
        assert.match(String(reason), text);
        assert.ok(!String(reason).includes(secret));
        return hasCode(Code.InvalidArgument)(reason);
      });
    }
  });

  it('is warned of where others on the way could read it, and only there', async () => {
    const file = await site.write('token', secret);
    const args = ['capabilities', '--auth-token', file, '--remote'];

    const far = await site.bgd([...args, 'grpc://nowhere.invalid']).ended;
    const near = await site.bgd([...args, 'grpc://127.0.0.1:1']).ended;
    const secure = await site.bgd([...args, 'grpcs://nowhere.invalid']).ended;
    await using gate = await front('grpc://nowhere.invalid', `{auth-token: ${file}}`);

    assert.match(
      far.stderr,
      /^Warning: The token is sent to grpc:\/\/nowhere.invalid without encryption[^\n]*\nError: /,
    );
    assert.doesNotMatch(near.stderr + secure.stderr, /Warning/);
    const warnings = gate.logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
    assert.match(warnings.join(), /The token is sent to grpc:\/\/nowhere.invalid without encryption/);
  });
});
