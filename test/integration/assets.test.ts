import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import type { Channel } from '../../src/client/channel.js';
import { openChannel } from '../../src/client/open-channel.js';
import { RemoteBlobStore } from '../../src/client/remote-blob-store.js';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA256 } from '../../src/digest/digest-function.js';
import type { remoteasset } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { ConfigServer } from '../helpers/config-server.js';
import { hasCode } from '../helpers/has-code.js';
import { OriginServer } from '../helpers/origin-server.js';
import { repositoryRoot } from '../helpers/repository.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** A client of the Remote Asset API. */
class AssetClient implements Disposable {
  readonly blobs: BlobStore;
  readonly #channel: Channel;
  readonly #instanceName: string;

  private constructor(channel: Channel, instanceName: string) {
    this.#channel = channel;
    this.#instanceName = instanceName;
    this.blobs = new RemoteBlobStore({ channel, instanceName });
  }

  static async connect(url: string, instanceName = ''): Promise<AssetClient> {
    return new AssetClient(await openChannel({ url }), instanceName);
  }

  async upload(content: string): Promise<Digest> {
    const data = Buffer.from(content);
    const digest = Digest.of(data);
    const [failure] = await this.blobs.writeBatch([{ digest, data }]);
    assert.equal(failure, undefined);
    return digest;
  }

  async pushBlob(uri: string, digest: Digest): Promise<void> {
    await this.#call(serviceNames.push, 'pushBlob', { uris: [uri], blobDigest: digest.toProto() });
  }

  fetchBlob(uri: string, more: remoteasset.FetchBlobRequest.$Properties = {}): Promise<remoteasset.FetchBlobResponse> {
    return this.#call(serviceNames.fetch, 'fetchBlob', { uris: [uri], ...more });
  }

  /** The content of a blob that was fetched well. */
  async contentOf({ status, blobDigest }: remoteasset.FetchBlobResponse): Promise<string> {
    assert.equal(status?.code, Code.Ok, String(status?.message));
    return String(await readBlob(this.blobs, Digest.fromProto(blobDigest, SHA256)));
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }

  #call<Response extends object>(service: string, name: string, request: object): Promise<Response> {
    return this.#channel.unary(() => serviceDefinition(service)[name] as MethodDefinition<object, Response>, {
      instanceName: this.#instanceName,
      ...request,
    });
  }
}

describe('The assets of a server', () => {
  const lifecycle = new Lifecycle();

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  it('are still there after a restart, with path; another instance that names the anchor finds them, too', async () => {
    const folder = lifecycle.use(await temporaryDirectory()).path;
    const config = `
instances:
  - name: ''
    storages: [!disk-storage &cas {path: ${folder}/cas}]
    caches: [!asset-cache &assets {storage: *cas, path: ${folder}/assets}]
    services: [!cas {storage: *cas}, !bytestream {storage: *cas}, *assets]
  - name: readers
    read-only: true
    services: [!cas {storage: *cas}, !bytestream {storage: *cas}, *assets]
`;
    {
      await using server = await ConfigServer.start(config);
      using client = await AssetClient.connect(server.url);
      await client.pushBlob('urn:example:asset', await client.upload('content'));
    }

    await using server = await ConfigServer.start(config);
    using client = await AssetClient.connect(server.url);
    using reader = await AssetClient.connect(server.url, 'readers');

    assert.equal(await client.contentOf(await client.fetchBlob('urn:example:asset')), 'content');
    assert.equal(await reader.contentOf(await reader.fetchBlob('urn:example:asset')), 'content');
    await assert.rejects(client.fetchBlob('urn:example:other'), hasCode(Code.NotFound));
    await assert.rejects(
      reader.pushBlob('urn:example:other', Digest.of(Buffer.from('content'))),
      hasCode(Code.PermissionDenied),
    );
  });

  it('are UNIMPLEMENTED where an instance has none, as for BuildStream, which then looks for references', async () => {
    await using server = await ConfigServer.start(`
instances:
  - name: ''
    services: [!cas {storage: !lru-storage &cas {size: 1M}}, !reference-cache {storage: *cas}]
  - name: with-assets
    services: [!cas {storage: *cas}, !asset-cache {storage: *cas}]
`);
    using client = await AssetClient.connect(server.url);

    await assert.rejects(client.fetchBlob('urn:example:asset'), hasCode(Code.Unimplemented));
  });

  describe('are fetched from their origin', () => {
    let origin: OriginServer;
    let server: ConfigServer;
    let client: AssetClient;

    beforeEach(async () => {
      origin = lifecycle.use(await OriginServer.listen());
      server = lifecycle.use(
        await ConfigServer.start(`
instances:
  - name: ''
    services:
      - !cas {storage: !lru-storage &cas {size: 1M}}
      - !bytestream {storage: *cas}
      - !asset-cache
        storage: *cas
        fetch: {allow: ['${origin.url}/open'], private-networks: [127.0.0.1], max-size: 1K, timeout: 0.2}
  - name: without
    services: [!cas {storage: *cas}, !bytestream {storage: *cas}, !asset-cache {storage: *cas}]
`),
      );
      client = lifecycle.use(await AssetClient.connect(server.url));
    });

    it('where fetch allows it, and into the CAS', async () => {
      const uri = origin.serve('/open/file', 'content');
      const checksum = `sha256-${createHash('sha256').update('content').digest('base64')}`;
      const qualifiers = [{ name: 'checksum.sri', value: checksum }];

      const fetched = await client.fetchBlob(uri, { qualifiers });

      assert.equal(await client.contentOf(fetched), 'content');
      assert.equal(fetched.uri, uri);
      assert.deepEqual(
        fetched.qualifiers.map(({ name, value }) => [name, value]),
        [['checksum.sri', checksum]],
      );
      await client.fetchBlob(uri, { qualifiers });
      assert.deepEqual(origin.requests, ['/open/file']);
    });

    it('and what goes wrong there is the status of the call, which every client looks at', async () => {
      const hanging = origin.on('/open/hanging', () => undefined);
      const qualifiers = [{ name: 'checksum.sri', value: `sha256-${Buffer.alloc(32).toString('base64')}` }];

      for (const [uri, code, more] of [
        [`${origin.url}/open/unknown`, Code.NotFound, {}],
        [origin.serve('/closed/file', 'secret'), Code.PermissionDenied, {}],
        [origin.answer('/open/redirect', 302, '/closed/file'), Code.PermissionDenied, {}],
        [origin.serve('/open/changed', 'changed'), Code.FailedPrecondition, { qualifiers }],
        [origin.serve('/open/large', 'x'.repeat(1_025)), Code.FailedPrecondition, {}],
        [hanging, Code.DeadlineExceeded, {}],
      ] as const) {
        await assert.rejects(client.fetchBlob(uri, more), hasCode(code));
      }
    });

    it('and by no instance that does not say so', async () => {
      using other = await AssetClient.connect(server.url, 'without');
      const uri = origin.serve('/open/file', 'content');

      await assert.rejects(other.fetchBlob(uri), hasCode(Code.NotFound));
      assert.deepEqual(origin.requests, []);
    });
  });

  it('are fetched by HTTPS from whoever shows a certificate that is trusted', async function () {
    this.timeout(30_000);
    const certificate = join(repositoryRoot, 'test/fixtures/tls/cert.pem');
    const key = await readFile(join(repositoryRoot, 'test/fixtures/tls/key.pem'), 'utf8');
    const origin = lifecycle.use(await OriginServer.listen({ key, cert: await readFile(certificate, 'utf8') }));
    const uri = origin.serve('/file', 'content');
    const site = lifecycle.use(await BgdSite.create());
    const file = await site.write(
      'server.yml',
      `
server: [!channel {port: 0, address: 127.0.0.1}]
instances:
  - name: ''
    services:
      - !cas {storage: !lru-storage &cas {size: 1M}}
      - !bytestream {storage: *cas}
      - !asset-cache {storage: *cas, fetch: {allow: ['127.0.0.1:${origin.port}'], private-networks: [127.0.0.1]}}
`,
    );
    const trusting = await site.serve([file], { NODE_EXTRA_CA_CERTS: certificate });
    const other = await site.serve([file]);
    using client = await AssetClient.connect(trusting.url);
    using stranger = await AssetClient.connect(other.url);

    assert.equal(await client.contentOf(await client.fetchBlob(uri)), 'content');
    await assert.rejects(
      stranger.fetchBlob(uri),
      (reason) => hasCode(Code.FailedPrecondition)(reason) && String(reason).includes('SELF_SIGNED'),
    );
  });
});
