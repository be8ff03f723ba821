import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { CompletenessCheckingActionCache } from '../../src/actioncache/completeness-checking-action-cache.js';
import { FailureExcludingActionCache } from '../../src/actioncache/failure-excluding-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { WriteOnceActionCache } from '../../src/actioncache/write-once-action-cache.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, SHA1, SHA256, SHA384, SHA512, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { decodeMessage } from '../../src/proto/any.js';
import { reapi } from '../../src/proto/index.js';
import { ActionCacheService } from '../../src/services/action-cache-service.js';
import { resultQuestionIn } from '../../src/services/get-result-bytes.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { fakeCallContext } from '../helpers/call-context.js';

type Result = reapi.ActionResult.$Properties;

/** A result is sent as it is stored where that can be, and otherwise decoded: nobody can tell which. */
describe('GetActionResult over bytes', () => {
  const context = fakeCallContext();
  let blobs: BlobStore;
  let stored: ActionCache;
  let actionCache: ActionCache;
  let service: ActionCacheService;

  before(loadDigestFunctions);

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    stored = new KeyedActionCache(new MemoryKeyedStore());
    const complete = new CompletenessCheckingActionCache(stored, blobs);
    actionCache = new WriteOnceActionCache(new FailureExcludingActionCache(complete));
    const instance = { blobs, actionCache };
    service = new ActionCacheService(new InstanceRegistry(new Map([['a/b', instance]]), instance));
  });

  const put = async (text: string, fn = SHA256): Promise<{ hash: string; sizeBytes: number }> => {
    const data = Buffer.from(text);
    const digest = Digest.of(data, fn);
    await blobs.writeBatch([{ digest, data }]);
    return digest.toProto();
  };

  const actionOf = (text: string, fn = SHA256): Digest => Digest.of(Buffer.from(text), fn);

  /** Stores a result, whatever it is. */
  const store = async (result: Result, action = actionOf('action')): Promise<Digest> => {
    await stored.update(action, reapi.ActionResult.create(result));
    return action;
  };

  const encode = (request: reapi.GetActionResultRequest.$Properties): Buffer =>
    Buffer.from(reapi.GetActionResultRequest.encode(request).finish());

  const ask = (action: Digest): Buffer =>
    encode({ instanceName: 'a/b', actionDigest: action.toProto(), digestFunction: action.function.value });

  /** What a method returned, or the code and text of what it threw. */
  const outcomeOf = async (task: () => unknown): Promise<unknown> => {
    try {
      return await task();
    } catch (reason) {
      const { code, message } = StatusError.from(reason);
      return { code, message };
    }
  };

  const answer = (request: Buffer): Promise<unknown> =>
    outcomeOf(async () => Buffer.from(await service.raw.getActionResult(request, context)).toString('hex'));

  const answerOfDecoded = (request: Buffer): Promise<unknown> =>
    outcomeOf(async () => {
      const decoded = decodeMessage('a GetActionResultRequest', reapi.GetActionResultRequest, request);
      const result = await service.getActionResult(decoded, context);
      return Buffer.from(reapi.ActionResult.encode(result).finish()).toString('hex');
    });

  const assertSame = async (request: Buffer, hint?: string): Promise<void> => {
    assert.deepEqual(await answer(request), await answerOfDecoded(request), hint);
  };

  const isSentAsItIs = (action: Digest): boolean => actionCache.getEncoded?.(action) !== undefined;

  for (const fn of [SHA256, SHA1, SHA384, BLAKE3]) {
    it(`sends a result whose outputs of ${fn.name} are there as it is stored (AC-2)`, async () => {
      const result = {
        outputFiles: [
          { path: 'a.o', digest: await put('a', fn), isExecutable: true, nodeProperties: { unixMode: { value: 420 } } },
          { path: 'b.o', digest: await put('x'.repeat(70_000), fn) },
          { path: 'empty', digest: Digest.empty(fn).toProto() },
        ],
        outputSymlinks: [{ path: 'link', target: 'a.o' }],
        stdoutDigest: await put('said', fn),
        stderrDigest: await put('warned', fn),
        executionMetadata: { worker: 'w', queuedTimestamp: { seconds: 1 } },
      };
      const action = await store(result, actionOf('action', fn));

      assert.ok(isSentAsItIs(action));
      assert.ok(resultQuestionIn(ask(action)));
      const response = reapi.ActionResult.decode(await service.raw.getActionResult(ask(action), context));
      assert.deepEqual(
        response.outputFiles.map(({ path }) => path),
        ['a.o', 'b.o', 'empty'],
      );
      await assertSame(ask(action));
    });
  }

  it('is NOT_FOUND when an output is missing, whichever it is (AC-2)', async () => {
    const there = await put('there');
    const gone = actionOf('gone').toProto();
    const file = { path: 'a', digest: there };
    for (const result of [
      { outputFiles: [file, { path: 'b', digest: gone }] },
      { outputFiles: [file], stdoutDigest: gone },
      { outputFiles: [file], stderrDigest: gone },
      { outputFiles: [file, { path: 'b', digest: { ...there, sizeBytes: 6 } }] },
      { outputFiles: [file], outputDirectories: [{ path: 'd', treeDigest: gone }] },
      { outputFiles: [file], outputDirectories: [{ path: 'd', rootDirectoryDigest: gone }] },
      { outputFiles: [{ path: 'b' }] },
      { outputFiles: [{ path: '', digest: there }] },
      { outputFiles: [{ path: '/a', digest: there }] },
    ]) {
      const action = await store(result);

      assert.equal(isSentAsItIs(action), false, JSON.stringify(result));
      assert.equal(((await answer(ask(action))) as StatusError).code, Code.NotFound, JSON.stringify(result));
      assert.equal(await stored.get(action), undefined, 'It is dropped');
    }
  });

  it('is no more than what it is for others: a failure is not sent (AC-8)', async () => {
    const action = await store({ exitCode: 1 });
    assert.equal(isSentAsItIs(action), false);
    assert.equal(((await answer(ask(action))) as StatusError).code, Code.NotFound);

    await store({ exitCode: -1 });
    assert.equal(isSentAsItIs(action), false);
    await store({ exitCode: 0 });
    assert.ok(isSentAsItIs(action));
  });

  it('looks at Trees and takes bytes out where there are some (AC-3)', async () => {
    const tree = reapi.Tree.encode({ root: {} }).finish();
    const treeDigest = await put(Buffer.from(tree).toString('latin1'));
    for (const result of [
      { outputDirectories: [{ path: 'd', treeDigest }] },
      { stdoutRaw: Buffer.from('said') },
      { stderrRaw: Buffer.from('warned') },
      { outputFiles: [{ path: 'a', digest: await put('a'), contents: Buffer.from('a') }] },
    ]) {
      const action = await store(result);

      assert.equal(isSentAsItIs(action), false, JSON.stringify(result));
      await assertSame(ask(action), JSON.stringify(result));
    }
  });

  it('has the outputs kept (AC-2)', async () => {
    const touched: number[] = [];
    const presence = {
      touch: (...[, , , sizeBytes]: [unknown, unknown, unknown, number]) => touched.push(sizeBytes) > 0,
    };
    const digest = actionOf('ab').toProto();
    const action = await store({ outputFiles: [{ path: 'a', digest }], stdoutDigest: actionOf('abc').toProto() });
    const observed = Object.create(blobs, { presence: { value: presence } }) as BlobStore;

    assert.ok(new CompletenessCheckingActionCache(stored, observed).getEncoded(action));
    assert.deepEqual(touched, [2, 3]);
  });

  it('gives what a request asks for inline, and refuses what is wrong, as if it was decoded', async () => {
    const stdoutDigest = await put('said');
    const action = await store({ outputFiles: [{ path: 'a', digest: await put('a') }], stdoutDigest });
    const actionDigest = action.toProto();
    const { hash } = actionDigest;
    for (const request of [
      { actionDigest, inlineStdout: true },
      { actionDigest, inlineOutputFiles: ['a'] },
      { actionDigest: { hash: hash.toUpperCase(), sizeBytes: 6 } },
      { actionDigest: { hash, sizeBytes: 7 } },
      { actionDigest: { hash, sizeBytes: 0 } },
      { actionDigest: { hash, sizeBytes: -1 } },
      { actionDigest: Digest.empty().toProto() },
      { actionDigest: actionOf('action', SHA512).toProto() },
      { instanceName: 'blobs', actionDigest },
      { instanceName: 'ä', actionDigest },
      { actionDigest, digestFunction: SHA1.value },
      { actionDigest, digestFunction: reapi.DigestFunction.Value.MD5 },
      {},
    ]) {
      await assertSame(encode(request), JSON.stringify(request));
    }
    const twice = Buffer.concat([encode({ actionDigest: actionOf('other').toProto() }), encode({ actionDigest })]);
    await assertSame(twice);
    const merged = encode({ actionDigest: { hash: SHA256.emptyHash } });
    await assertSame(Buffer.concat([encode({ actionDigest }), merged]));
    const halves = [encode({ actionDigest: { hash } }), encode({ actionDigest: { sizeBytes: 6 } })];
    await assertSame(Buffer.concat(halves), 'messages that come twice are merged');
  });

  it('answers any bytes as if they were decoded', async () => {
    const action = await store({ outputFiles: [{ path: 'a', digest: await put('a') }] });
    const requests = [ask(action), encode({ actionDigest: action.toProto() })];
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...requests),
        fc.array(change, { maxLength: 2 }),
        fc.option(fc.nat(), { freq: 8 }),
        async (request, changes, end) => {
          const changed = Buffer.from(end === null ? request : request.subarray(0, end % request.length));
          for (const [place, value] of changes) if (changed.length > 0) changed[place % changed.length] = value;

          await assertSame(changed, changed.toString('hex'));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
