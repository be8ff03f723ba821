import assert from 'node:assert/strict';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../../src/common/code.js';
import { DiskKeyedStore } from '../../../src/keyedstore/backends/disk-keyed-store.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { hasCode } from '../../helpers/has-code.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { describeKeyedStore } from '../contract/keyed-store.js';

describeKeyedStore('DiskKeyedStore', async (clock) => {
  const folder = await temporaryDirectory();
  const store = await DiskKeyedStore.open({ path: folder.path, clock });
  const close = store[Symbol.asyncDispose].bind(store);
  return Object.assign(store, {
    [Symbol.asyncDispose]: async () => {
      await close();
      await folder[Symbol.asyncDispose]();
    },
  });
});

describe('DiskKeyedStore', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let store: DiskKeyedStore;
  const clock = new FakeClock();
  const logger = new RecordingLogger();

  beforeEach(async () => {
    folder = await temporaryDirectory();
    store = await DiskKeyedStore.open({ path: folder.path, clock, logger });
  });

  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const reopen = async (): Promise<void> => {
    await store[Symbol.asyncDispose]();
    store = await DiskKeyedStore.open({ path: folder.path, clock, logger });
  };
  const files = async (): Promise<string[]> => {
    const entries = await readdir(join(folder.path, 'values'), { recursive: true });
    return entries.filter((name) => name.includes('/')).map((name) => join(folder.path, 'values', name));
  };

  it('holds its values and their expiry after it was opened again (D1)', async () => {
    await store.put('for ever', Buffer.from('1'));
    await store.put('for a while', Buffer.from('2'), { expiresAtMs: clock.now() + 1_000 });

    await reopen();

    assert.equal(String(await store.get('for ever')), '1');
    assert.equal(String(await store.get('for a while')), '2');
    clock.advance(1_000);
    assert.equal(await store.get('for a while'), undefined);
  });

  it('removes the file of an expired value when it comes upon it', async () => {
    await store.put('key', Buffer.from('1'), { expiresAtMs: clock.now() + 1_000 });
    clock.advance(1_000);

    await store.get('key');

    assert.deepEqual(await files(), []);
  });

  it('takes a damaged file for no value, and says so', async () => {
    await store.put('key', Buffer.from('value'));
    const [file] = await files();
    await writeFile(file!, (await readFile(file!, 'utf8')).replace('value', 'valve'));

    assert.equal(await store.get('key'), undefined);

    assert.match(logger.lines.at(-1)?.message ?? '', /damaged/);
    await writeFile(file!, '');
    assert.equal(await store.get('key'), undefined);
  });

  it('takes a file with a damaged expiry for no value', async () => {
    await store.put('key', Buffer.from('value'), { expiresAtMs: 1_700_000_001_000 });
    const [file] = await files();
    await writeFile(file!, (await readFile(file!, 'utf8')).replace('1700000001000', '1800000001000'));

    assert.equal(await store.get('key'), undefined);
  });

  it('takes a file that holds another key for no value', async () => {
    await store.put('key', Buffer.from('value'));
    await store.put('other', Buffer.from('value of other'));
    const names = await files();
    const [first, second] = await Promise.all(names.map((name) => readFile(name)));
    await writeFile(names[0]!, second!);
    await writeFile(names[1]!, first!);

    assert.equal(await store.get('key'), undefined);
    assert.equal(await store.get('other'), undefined);
  });

  it('leaves no temporary file behind, and reports trouble of the disk as UNAVAILABLE (U5)', async () => {
    await store.put('key', Buffer.from('value'));
    assert.deepEqual(await readdir(join(folder.path, 'tmp')), []);
    await rm(join(folder.path, 'tmp'), { recursive: true });

    await assert.rejects(store.put('key', Buffer.from('new')), hasCode(Code.Unavailable));

    assert.equal(String(await store.get('key')), 'value');
  });

  it('refuses a folder that is open already', async () => {
    await assert.rejects(DiskKeyedStore.open({ path: folder.path }), hasCode(Code.FailedPrecondition));
  });

  it('refuses the folder of a store of another kind', async () => {
    await store[Symbol.asyncDispose]();
    await writeFile(join(folder.path, 'format'), 'bgd-blobs 1\n');

    await assert.rejects(DiskKeyedStore.open({ path: folder.path }), /"bgd-blobs 1", not "bgd-values 1"/);
  });
});
