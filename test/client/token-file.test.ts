import assert from 'node:assert/strict';
import { rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TokenFile } from '../../src/client/token-file.js';
import { Code } from '../../src/common/code.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { hasCode } from '../helpers/has-code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('TokenFile', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;
  let clock: FakeClock;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    path = join(folder.path, 'token');
    clock = new FakeClock();
    await writeFile(path, 'first\n');
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  /** As tools that renew tokens do it. */
  async function replace(text: string): Promise<void> {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }

  it('gives the token without the white space around it', async () => {
    const file = await TokenFile.open({ path, clock });

    assert.equal(await file.header(), 'Bearer first');
  });

  it('gives a new token once the file has changed, and looks no more often than it should', async () => {
    const file = await TokenFile.open({ path, clock, refreshMs: 5_000 });
    await replace('second');

    clock.advance(4_999);
    assert.equal(file.header(), 'Bearer first');

    clock.advance(1);
    assert.equal(await file.header(), 'Bearer second');
  });

  it('follows a link that is set anew, as Kubernetes does it', async () => {
    await writeFile(join(folder.path, 'a'), 'aaa');
    await writeFile(join(folder.path, 'b'), 'bbb');
    const times = new Date(1_000_000);
    for (const name of ['a', 'b']) await utimes(join(folder.path, name), times, times);
    await rm(path);
    await symlink('a', path);
    const file = await TokenFile.open({ path, clock });

    await rm(path);
    await symlink('b', path);

    clock.advance(1_000);
    assert.equal(await file.header(), 'Bearer bbb');
  });

  it('looks at once after a server has not accepted the token', async () => {
    const file = await TokenFile.open({ path, clock, refreshMs: 60_000 });
    await replace('second');

    file.distrust();

    assert.equal(await file.header(), 'Bearer second');
  });

  it('goes on with the last token while the file is away or empty', async () => {
    const file = await TokenFile.open({ path, clock });

    await rm(path);
    clock.advance(1_000);
    assert.equal(await file.header(), 'Bearer first');

    await writeFile(path, '');
    clock.advance(1_000);
    assert.equal(await file.header(), 'Bearer first');

    await replace('third');
    clock.advance(1_000);
    assert.equal(await file.header(), 'Bearer third');
  });

  it('refuses at the start a file without a token, and does not show what is in it (S6)', async () => {
    await writeFile(path, 'my secret');

    await assert.rejects(TokenFile.open({ path, clock }), (reason) => {
      assert.doesNotMatch(String(reason), /my|secret/);
      return hasCode(Code.InvalidArgument)(reason);
    });
    await assert.rejects(TokenFile.open({ path: join(folder.path, 'none'), clock }), /ENOENT/);
  });
});
