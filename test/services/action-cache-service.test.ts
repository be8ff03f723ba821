import assert from 'node:assert/strict';
import { CompletenessCheckingActionCache } from '../../src/actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { ActionCacheService } from '../../src/services/action-cache-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

describe('ActionCacheService', () => {
  const context = fakeCallContext();
  const invalid = hasCode(Code.InvalidArgument);
  // moon's "Action" is a JSON text, which it uploads under that digest: it must never be parsed.
  const action = Digest.of(Buffer.from('{"task": "build"}'));
  let blobs: BlobStore;
  let service: ActionCacheService;

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    const actionCache = new CompletenessCheckingActionCache(new KeyedActionCache(new MemoryKeyedStore()), blobs);
    service = new ActionCacheService(
      new InstanceRegistry(
        new Map([
          ['writable', { blobs, actionCache, allowsActionCacheUpdates: true }],
          ['read-only', { blobs, actionCache, allowsActionCacheUpdates: false }],
          ['no-cache', { blobs }],
        ]),
      ),
    );
  });

  const put = async (text: string): Promise<{ hash: string; sizeBytes: number }> => {
    const data = Buffer.from(text);
    const digest = Digest.of(data);
    await blobs.writeBatch([{ digest, data }]);
    return digest.toProto();
  };
  const update = (
    actionResult: reapi.ActionResult.$Properties | null,
    more: Partial<reapi.UpdateActionResultRequest.$Properties> = {},
  ): Promise<reapi.ActionResult.$Properties> =>
    service.updateActionResult(
      reapi.UpdateActionResultRequest.create({
        instanceName: 'writable',
        actionDigest: action.toProto(),
        actionResult,
        ...more,
      }),
      context,
    );
  const get = (more: Partial<reapi.GetActionResultRequest.$Properties> = {}): Promise<reapi.ActionResult.$Properties> =>
    service.getActionResult(
      reapi.GetActionResultRequest.create({ instanceName: 'writable', actionDigest: action.toProto(), ...more }),
      context,
    );
  const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString();

  it('answers a miss with NOT_FOUND (AC-1)', async () => {
    await assert.rejects(get(), hasCode(Code.NotFound));
  });

  it('answers what was stored, and returns it from the update, its worker named (AC-4, AC-7)', async () => {
    const digest = await put('output');

    const stored = await update({ exitCode: 3, outputFiles: [{ path: 'out', digest }] });

    assert.equal(stored.exitCode, 3);
    assert.notEqual(stored.executionMetadata?.worker ?? '', '');
    const found = await get();
    assert.equal(found.exitCode, 3);
    assert.equal(found.outputFiles?.[0]?.path, 'out');
    assert.equal(found.executionMetadata?.worker, stored.executionMetadata?.worker);
  });

  it('asks for neither the Action nor its Command, which clients upload for themselves (AC-6)', async () => {
    assert.deepEqual(await blobs.findMissing([action]), [action]);

    await update({ exitCode: 0 });

    assert.equal((await get()).exitCode, 0);
  });

  it('answers NOT_FOUND once an output has gone (AC-2)', async () => {
    const digest = await put('output');
    await update({ outputFiles: [{ path: 'out', digest }] });
    await blobs.delete([Digest.fromProto(digest, action.function)]);

    await assert.rejects(get(), hasCode(Code.NotFound));
  });

  it('passes trouble of the stores on as such (AC-1)', async () => {
    await update({ stdoutDigest: await put('out') });
    blobs.findMissing = () => Promise.reject(new StatusError(Code.Unavailable, 'down'));

    await assert.rejects(get(), hasCode(Code.Unavailable));
  });

  it('inlines on request only, and keeps the digests beside the bytes (AC-3)', async () => {
    await update({
      stdoutDigest: await put('out'),
      stderrDigest: await put('err'),
      outputFiles: [
        { path: 'a', digest: await put('file a') },
        { path: 'b', digest: await put('file b') },
      ],
    });

    const plain = await get();
    assert.deepEqual(
      [text(plain.stdoutRaw), text(plain.stderrRaw), text(plain.outputFiles?.[0]?.contents)],
      ['', '', ''],
    );

    const full = await get({ inlineStdout: true, inlineStderr: true, inlineOutputFiles: ['b', 'unknown'] });
    assert.deepEqual([text(full.stdoutRaw), text(full.stderrRaw)], ['out', 'err']);
    assert.deepEqual(
      full.outputFiles?.map(({ contents }) => text(contents)),
      ['', 'file b'],
    );
    assert.equal(full.stdoutDigest?.sizeBytes, 3);
  });

  it('does not inline what would not fit in a message (AC-3)', async () => {
    const large = 'x'.repeat(4 * 1024 * 1024);
    await update({ stdoutDigest: await put(large), stderrDigest: await put('err') });

    const result = await get({ inlineStdout: true, inlineStderr: true });

    assert.equal(text(result.stdoutRaw), '');
    assert.equal(text(result.stderrRaw), 'err');
    assert.ok(reapi.ActionResult.encode(result).finish().length < 4 * 1024 * 1024);
  });

  it('moves bytes that come inline to the CAS, and returns their digests (AC-3, AC-4)', async () => {
    const stored = await update({
      stdoutRaw: Buffer.from('out'),
      outputFiles: [{ path: 'a', contents: Buffer.from('file a'), digest: Digest.of(Buffer.from('file a')).toProto() }],
    });

    assert.equal(text(stored.stdoutRaw), '');
    assert.equal(String(await readBlob(blobs, Digest.fromProto(stored.stdoutDigest, action.function))), 'out');
    assert.equal(text((await get()).outputFiles?.[0]?.contents), '');
    assert.equal(text((await get({ inlineOutputFiles: ['a'] })).outputFiles?.[0]?.contents), 'file a');
  });

  for (const [what, result] of [
    ['no result', null],
    ['a malformed digest', { stdoutDigest: { hash: 'abc', sizeBytes: 1 } }],
    ['an output file without a digest', { outputFiles: [{ path: 'a' }] }],
    ['an output file without a path', { outputFiles: [{ digest: action.toProto() }] }],
    ['an absolute path', { outputFiles: [{ path: '/a', digest: action.toProto() }] }],
    ['an output directory without a digest', { outputDirectories: [{ path: 'a' }] }],
    ['an absolute directory', { outputDirectories: [{ path: '/a', treeDigest: action.toProto() }] }],
    ['inline bytes of another digest', { stdoutRaw: Buffer.from('out'), stdoutDigest: action.toProto() }],
  ] as const satisfies readonly (readonly [string, reapi.ActionResult.$Properties | null])[]) {
    it(`refuses an update with ${what} (AC-4)`, async () => {
      await assert.rejects(update(result), invalid);
      await assert.rejects(get(), hasCode(Code.NotFound));
    });
  }

  it('refuses a malformed or missing action digest', async () => {
    await assert.rejects(update({}, { actionDigest: null }), invalid);
    await assert.rejects(get({ actionDigest: { hash: 'abc', sizeBytes: 1 } }), invalid);
  });

  it('refuses updates with PERMISSION_DENIED where they are not allowed, but answers (AC-5)', async () => {
    await update({ exitCode: 1 });

    await assert.rejects(update({}, { instanceName: 'read-only' }), hasCode(Code.PermissionDenied));
    assert.equal((await get({ instanceName: 'read-only' })).exitCode, 1);
  });

  it('tells an unknown instance and one without an action cache', async () => {
    await assert.rejects(get({ instanceName: 'unknown' }), invalid);
    await assert.rejects(get({ instanceName: 'no-cache' }), hasCode(Code.Unimplemented));
  });
});
