import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Client } from '../../src/client/client.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { type Certificate, CertificateAuthority } from '../helpers/certificates.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { needsProgram } from '../helpers/capabilities.js';
import { chunks } from '../helpers/chunks.js';
import { ConfigServer } from '../helpers/config-server.js';
import { hasCode } from '../helpers/has-code.js';

describe('TLS between servers and clients', () => {
  const host = '127.0.0.1';
  let site: BgdSite;
  let authority: CertificateAuthority;
  let otherAuthority: CertificateAuthority;
  let serverPair: Certificate;
  let clientPair: Certificate;

  before(async function () {
    needsProgram(this, 'openssl', 'TLS with certificates of all kinds');
    site = await BgdSite.create();
    authority = await CertificateAuthority.create(site.home);
    otherAuthority = await CertificateAuthority.create(site.home, 'other');
    serverPair = await authority.issue({ name: 'server', hosts: ['localhost', host] });
    clientPair = await authority.issue({ name: 'client' });
  });

  after(async () => {
    await (site as BgdSite | undefined)?.[Symbol.asyncDispose]();
  });

  /** A CAS and an action cache behind TLS; with `clients`, only for who has a certificate of theirs. */
  const configOf = ({ key, cert }: Certificate, clients?: string): string => `
server:
  - !channel
    address: ${host}
    port: 0
    insecure-mode: false
    credentials:
      tls-server-key: ${key}
      tls-server-cert: ${cert}
      ${clients === undefined ? '' : `tls-client-certs: ${clients}`}
instances:
  - name: ''
    services:
      - !cas {storage: !lru-storage &cas {size: 1M}}
      - !bytestream {storage: *cas}
      - !action-cache {storage: *cas}
`;

  /** Asks a server with the real command, and returns what it says. */
  async function ask(url: string, ...flags: string[]): Promise<readonly [number | null, string]> {
    const { code, stderr } = await site.bgd(['capabilities', '--remote', url, ...flags]).ended;
    return [code, stderr];
  }

  /** For clients in this process: Node warns of addresses. */
  const named = (url: string): string => url.replace(host, 'localhost');

  const trusting = (cert: string): readonly [string, string] => ['--server-cert', cert];
  const showing = ({ key, cert }: Certificate): readonly string[] => ['--client-key', key, '--client-cert', cert];

  describe('with a certificate of the server', () => {
    let server: ConfigServer;

    before(async () => {
      server = await ConfigServer.start(configOf(serverPair));
    });

    after(() => server[Symbol.asyncDispose]());

    it('is spoken to who trusts its authority, without any talk', async () => {
      assert.match(server.url, /^grpcs:/);
      assert.deepEqual(await ask(server.url, ...trusting(authority.cert)), [0, '']);
      assert.deepEqual(await ask(server.url.replace('grpcs:', 'https:'), ...trusting(authority.cert)), [0, '']);
    });

    it('fails in one line for who trusts another authority, or only those of the system', async () => {
      for (const flags of [trusting(otherAuthority.cert), []]) {
        const [code, stderr] = await ask(server.url, ...flags);

        assert.equal(code, 4);
        assert.match(
          stderr,
          /^Error: cannot reach grpcs:.*: the server's certificate is signed by nobody that is trusted.*\n$/,
        );
      }
    });

    it('fails in one line for who does not speak TLS', async () => {
      const [code, stderr] = await ask(server.url.replace('grpcs:', 'grpc:'));

      assert.equal(code, 4);
      assert.match(stderr, /^Error: cannot reach grpc:.* or want TLS \(grpcs:\/\/\)\?[^\n]*\n$/);
    });

    it('fails in one line for files that are no certificates', async () => {
      const none = await site.write('none.pem', 'no certificate');

      const [code, stderr] = await ask(server.url, ...showing({ key: none, cert: none }));

      assert.equal(code, 2);
      assert.match(stderr, /^Error: The certificates for "grpcs:.*" cannot be used: [^\n]*\n$/);
    });
  });

  it('fails in one line where the certificate of the server has expired, of which its log tells', async () => {
    const expired = await authority.issue({ name: 'expired', hosts: [host], isExpired: true });
    await using server = await ConfigServer.start(configOf(expired));

    const [code, stderr] = await ask(server.url, ...trusting(authority.cert));

    assert.equal(code, 4);
    assert.match(stderr, /^Error: cannot reach grpcs:.*: the server's certificate has expired [^\n]*\n$/);
    const warnings = server.logger.lines.filter(({ level }) => level === 'warn');
    assert.deepEqual(
      warnings.map(({ message, fields }) => [message, fields['path']]),
      [['The certificate of the server is not valid today', expired.cert]],
    );
  });

  it('fails in one line where the certificate is for another host', async () => {
    const other = await authority.issue({ name: 'elsewhere', hosts: ['elsewhere.example'] });
    await using server = await ConfigServer.start(configOf(other));

    const [code, stderr] = await ask(server.url, ...trusting(authority.cert));

    assert.equal(code, 4);
    assert.match(stderr, /: the server's certificate is for another host \([^\n]*\) [^\n]*\n$/);
  });

  describe('where clients must show a certificate', () => {
    let server: ConfigServer;

    before(async () => {
      server = await ConfigServer.start(configOf(serverPair, authority.cert));
    });

    after(() => server[Symbol.asyncDispose]());

    it('lets those in who have one', async () => {
      assert.deepEqual(await ask(server.url, ...trusting(authority.cert), ...showing(clientPair)), [0, '']);
    });

    it('fails in one line for those who have none', async () => {
      const [code, stderr] = await ask(server.url, ...trusting(authority.cert));

      assert.equal(code, 4);
      assert.match(stderr, /^Error: cannot reach grpcs:.*: the server wants a certificate of the client[^\n]*\n$/);
    });

    it('fails in one line for those whose certificate has expired, or is of another authority', async () => {
      const expired = await authority.issue({ name: 'expired-client', isExpired: true });
      const stranger = await otherAuthority.issue({ name: 'stranger' });

      for (const pair of [expired, stranger]) {
        const [code, stderr] = await ask(server.url, ...trusting(authority.cert), ...showing(pair));

        assert.equal(code, 4);
        assert.match(stderr, /^Error: cannot reach grpcs:.*: [^\n]*client's certificate[^\n]*\n$/);
      }
    });

    it('carries blobs and results for !remote-storage and !remote-action-cache', async () => {
      const credentials = `{tls-server-cert: ${authority.cert}, tls-client-key: ${clientPair.key}, tls-client-cert: ${clientPair.cert}}`;
      await using front = await ConfigServer.start(`
instances:
  - name: front
    services:
      - !cas {storage: !remote-storage &cas {url: '${named(server.url)}', instance-name: '', credentials: ${credentials}}}
      - !bytestream {storage: *cas}
      - !remote-action-cache {url: '${named(server.url)}', instance-name: '', credentials: ${credentials}}
`);
      await using client = await Client.connect({ url: front.url, instanceName: 'front' });
      const [blob, large] = [Buffer.from('blob'), Buffer.alloc(500_000, 'large')];

      await client.blobs.write(Digest.of(large), chunks(large));
      await client.blobs.writeBatch([{ digest: Digest.of(blob), data: blob }]);

      assert.equal((await readBlob(client.blobs, Digest.of(large))).length, 500_000);
      assert.equal(String(await readBlob(client.blobs, Digest.of(blob))), 'blob');
      assert.equal(await client.actionCache.get(Digest.of(Buffer.from('action'))), undefined);
    });

    it('answers UNAVAILABLE behind !remote-storage that shows none, and says why', async () => {
      await using front = await ConfigServer.start(`
instances:
  - name: ''
    services:
      - !cas
        storage: !remote-storage
          url: '${named(server.url)}'
          instance-name: ''
          credentials: {tls-server-cert: ${authority.cert}}
`);
      await using client = await Client.connect({
        url: front.url,
        retryPolicy: { maxAttempts: 1, initialDelayMs: 0, maxDelayMs: 0 },
      });

      await assert.rejects(client.blobs.findMissing([Digest.of(Buffer.from('x'))]), (reason) => {
        assert.match(String(reason), /the server wants a certificate of the client/);
        return hasCode(Code.Unavailable)(reason);
      });
    });
  });

  describe('does not start', () => {
    const rejection = async (pair: Certificate, clients?: string): Promise<string> => {
      try {
        await using server = await ConfigServer.start(configOf(pair, clients));
        return assert.fail(`${server.url} serves`);
      } catch (reason) {
        assert.ok(hasCode(Code.InvalidArgument)(reason));
        return String(reason);
      }
    };

    it('with a key that is not that of the certificate', async () => {
      const text = await rejection({ key: clientPair.key, cert: serverPair.cert });

      assert.match(text, /The key .*client\.key is not that of the certificate .*server\.crt$/);
    });

    it('with files that are missing, or hold something else', async () => {
      const other = await site.write('other.pem', 'something else');
      const half = join(site.home, 'half.pem');
      await writeFile(half, (await readFile(serverPair.cert, 'utf8')).replace(/M[A-Z]/, 'A='));

      assert.match(
        await rejection({ ...serverPair, key: '/nowhere/key' }),
        /tls-server-key: cannot read \/nowhere\/key: ENOENT/,
      );
      assert.match(await rejection({ ...serverPair, key: other }), /other\.pem is no private key without a password/);
      assert.match(await rejection({ ...serverPair, cert: other }), /other\.pem holds no certificate in PEM form/);
      assert.match(await rejection({ ...serverPair, cert: half }), /half\.pem holds a damaged certificate/);
    });

    it('with certificates of clients that are none, for then all or nobody could come in', async () => {
      const other = await site.write('other.pem', 'something else');

      assert.match(await rejection(serverPair, other), /other\.pem holds no certificate/);
      assert.match(await rejection(serverPair, '/nowhere/ca'), /tls-client-certs: cannot read \/nowhere\/ca: ENOENT/);
    });
  });
});
