import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { AddressGuard } from '../../../src/assets/origins/address-guard.js';
import { AllowList } from '../../../src/assets/origins/allow-list.js';
import { HttpOrigin } from '../../../src/assets/origins/http-origin.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Code, codeName } from '../../../src/common/code.js';
import { StatusError } from '../../../src/common/status-error.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA256, SHA512, type DigestFunction } from '../../../src/digest/digest-function.js';
import { decodeMessage } from '../../../src/proto/any.js';
import { rpc } from '../../../src/proto/index.js';
import { hasCode } from '../../helpers/has-code.js';
import { OriginServer } from '../../helpers/origin-server.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { ContentBench } from '../content-bench.js';

const maxBytes = 1_000_000;

describe('HttpOrigin', () => {
  let server: OriginServer;
  let bench: ContentBench;
  let origin: HttpOrigin;

  beforeEach(async () => {
    server = await OriginServer.listen();
    bench = new ContentBench();
    origin = originWith([server.url]);
  });

  afterEach(() => server[Symbol.asyncDispose]());

  function originWith(allow: readonly string[], networks = ['127.0.0.0/8']): HttpOrigin {
    const options = { allowList: new AllowList(allow), guard: new AddressGuard(networks), maxBytes };
    return new HttpOrigin({ blobs: bench.blobs, ...options });
  }

  const retrieve = (
    uri: string,
    qualifiers: Readonly<Record<string, string>> = {},
    { fn = SHA256, signal = new AbortController().signal }: { fn?: DigestFunction; signal?: AbortSignal } = {},
  ): Promise<Digest> =>
    origin.retrieve(
      {
        url: new URL(uri),
        qualifiers: Object.entries(qualifiers).map(([name, value]) => ({ name, value })),
        function: fn,
      },
      signal,
    );
  const failsWith = async (code: Code, uri: string, qualifiers?: Record<string, string>): Promise<void> => {
    await assert.rejects(retrieve(uri, qualifiers), (reason) => {
      assert.doesNotMatch(String(reason), /secret/);
      return hasCode(code)(reason);
    });
  };
  const sri = (content: string, algorithm = 'sha256'): string =>
    `${algorithm}-${createHash(algorithm).update(content).digest('base64')}`;

  it('serves blobs by HTTP and HTTPS, and nothing else', () => {
    assert.ok(origin.serves('blob', new URL('https://example.org/')));
    assert.ok(origin.serves('blob', new URL('http://example.org/')));
    assert.ok(!origin.serves('blob', new URL('urn:example:asset')));
    assert.ok(!origin.serves('blob', new URL('file:///etc/passwd')));
    assert.ok(!origin.serves('directory', new URL('https://example.org/')));
  });

  it('brings what is there into the CAS', async () => {
    const digest = await retrieve(server.serve('/file', 'content'));

    assert.ok(digest.equals(Digest.of(Buffer.from('content'))));
    assert.equal(String(await readBlob(bench.blobs, digest)), 'content');
    assert.deepEqual(server.requests, ['/file']);
  });

  it('brings nothing, too, and what needs several chunks, by another digest function', async () => {
    const large = Buffer.alloc(maxBytes, 'large');

    assert.ok((await retrieve(server.serve('/empty', ''))).isEmpty);
    const digest = await retrieve(server.serve('/large', large), {}, { fn: SHA512 });
    assert.ok(digest.equals(Digest.of(large, SHA512)));
    assert.ok((await readBlob(bench.blobs, digest)).equals(large));
  });

  it('leaves no file behind', async () => {
    await using folder = await temporaryDirectory();
    const { TMPDIR } = process.env;
    process.env['TMPDIR'] = folder.path;
    try {
      await retrieve(server.serve('/file', 'content'));
      await failsWith(Code.FailedPrecondition, server.serve('/other', 'other'), { 'checksum.sri': sri('content') });
    } finally {
      if (TMPDIR === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = TMPDIR;
    }

    assert.deepEqual(await readdir(folder.path), []);
  });

  describe('with checksum.sri', () => {
    it('takes content that matches', async () => {
      const digest = await retrieve(server.serve('/file', 'content'), {
        'checksum.sri': sri('content', 'sha384'),
        'bazel.canonical_id': 'any',
      });

      assert.ok(digest.equals(Digest.of(Buffer.from('content'))));
    });

    it('is FAILED_PRECONDITION for content that does not, and stores nothing', async () => {
      await failsWith(Code.FailedPrecondition, server.serve('/file', 'changed'), { 'checksum.sri': sri('content') });

      const changed = Digest.of(Buffer.from('changed'));
      assert.deepEqual(await bench.blobs.findMissing([changed]), [changed]);
    });

    it('is INVALID_ARGUMENT for a checksum that is not understood, before anything is asked', async () => {
      await assert.rejects(
        retrieve(server.serve('/file', 'content'), { 'checksum.sri': 'md5-AAAA' }),
        hasCode(Code.InvalidArgument),
      );
      assert.deepEqual(server.requests, []);
    });
  });

  it('refuses qualifiers that it cannot check, and names each of them', async () => {
    const uri = server.serve('/file', 'content');

    await assert.rejects(retrieve(uri, { 'vcs.commit': 'abc', 'checksum.sri': sri('content'), any: '' }), (reason) => {
      assert.ok(reason instanceof StatusError);
      assert.equal(reason.code, Code.InvalidArgument);
      const [detail] = reason.details;
      const { fieldViolations } = decodeMessage('BadRequest', rpc.BadRequest, detail?.value ?? Buffer.alloc(0));
      assert.deepEqual(
        fieldViolations.map(({ field, description }) => [field, description]),
        [
          ['qualifiers.name', '"vcs.commit" not supported'],
          ['qualifiers.name', '"any" not supported'],
        ],
      );
      return true;
    });
    assert.deepEqual(server.requests, []);
  });

  describe('where the origin redirects', () => {
    it('follows within the allow-list', async () => {
      for (const [index, status] of [301, 302, 303, 307, 308].entries()) {
        server.answer(`/old/${index}`, status, '../new');
        server.serve('/new', 'content');

        assert.ok((await retrieve(`${server.url}/old/${index}`)).equals(Digest.of(Buffer.from('content'))));
      }
    });

    it('is PERMISSION_DENIED outside of it, and does not ask there', async () => {
      await using other = await OriginServer.listen();
      const uri = server.answer('/old', 302, other.serve('/new', 'content'));

      await failsWith(Code.PermissionDenied, uri);
      assert.deepEqual(other.requests, []);
    });

    it('is PERMISSION_DENIED for what is no web address', async () => {
      await failsWith(Code.PermissionDenied, server.answer('/file', 302, 'file:///etc/passwd'));
      await failsWith(Code.PermissionDenied, server.answer('/nothing', 302, 'http://'));
    });

    it('is PERMISSION_DENIED for a private address, though the allow-list names it by another name', async () => {
      const local = `http://localhost:${server.port}`;
      origin = originWith([server.url, local], ['127.0.0.2']);

      await failsWith(Code.PermissionDenied, server.serve('/file', 'content'));
      await failsWith(Code.PermissionDenied, `${local}/file`);
      assert.deepEqual(server.requests, []);
    });

    it('gives up after ten steps', async () => {
      await failsWith(Code.FailedPrecondition, server.answer('/round', 302, '/round'));
      assert.equal(server.requests.length, 11);
    });
  });

  for (const [status, code] of [
    [404, Code.NotFound],
    [410, Code.NotFound],
    [401, Code.PermissionDenied],
    [403, Code.PermissionDenied],
    [400, Code.FailedPrecondition],
    [204, Code.FailedPrecondition],
    [206, Code.FailedPrecondition],
    [304, Code.FailedPrecondition],
  ] as const) {
    it(`is ${codeName(code)} for status ${status}`, async () => {
      await failsWith(code, `${server.answer('/file', status)}?token=secret`);
    });
  }

  for (const status of [429, 500, 503]) {
    it(`is UNAVAILABLE for status ${status}`, async () => {
      await assert.rejects(retrieve(server.answer('/file', status)), hasCode(Code.Unavailable));
    });
  }

  it('is UNAVAILABLE where nobody listens, and where the line breaks', async () => {
    const uri = server.on('/file', (response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half of it');
      setImmediate(() => response.destroy());
    });
    await assert.rejects(retrieve(uri), hasCode(Code.Unavailable));

    await server[Symbol.asyncDispose]();
    await assert.rejects(retrieve(uri), hasCode(Code.Unavailable));
    server = await OriginServer.listen();
  });

  it('is FAILED_PRECONDITION for more bytes than are taken, announced or not, and reads no further', async () => {
    const announced = server.serve('/announced', Buffer.alloc(maxBytes + 1));
    let sent = 0;
    const endless = server.on('/endless', (response) => {
      const chunk = Buffer.alloc(64 * 1024);
      const send = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      };
      response.on('drain', send);
      send();
    });

    await failsWith(Code.FailedPrecondition, announced);
    await failsWith(Code.FailedPrecondition, endless);
    assert.ok(sent < 100 * maxBytes, `${sent}`);
  });

  it('is FAILED_PRECONDITION for a body that is compressed without being asked to', async () => {
    const uri = server.on('/file', (response, request) => {
      assert.equal(request.headers['accept-encoding'], 'identity');
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('compressed');
    });

    await failsWith(Code.FailedPrecondition, uri);
  });

  it('breaks off when it is told to, before the response and in the middle of it', async () => {
    for (const begin of [false, true]) {
      const stop = new AbortController();
      const uri = server.on('/slow', (response) => {
        if (begin) response.writeHead(200).write('a part');
        setImmediate(() => stop.abort());
      });

      await assert.rejects(retrieve(uri, {}, { signal: stop.signal }), hasCode(Code.Cancelled));
    }
  });

  it('says that the CAS is down', async () => {
    const uri = server.serve('/file', 'content');
    bench.blobs.isDown = true;

    await assert.rejects(retrieve(uri), /the store is down/);
  });
});
