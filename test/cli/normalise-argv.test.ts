import assert from 'node:assert/strict';
import { normaliseArgv } from '../../src/cli/normalise-argv.js';

describe('normaliseArgv', () => {
  const cases: readonly (readonly [what: string, given: string, wanted: string])[] = [
    ['leaves our own form alone', 'cas upload-file --remote X a', 'cas upload-file --remote X a'],
    [
      'moves options of the group behind the sub-command',
      'cas --remote X upload-file a',
      'cas upload-file --remote X a',
    ],
    ['knows options with "="', 'cas --remote=X --json upload-file a', 'cas upload-file --remote=X --json a'],
    ['knows switches', 'bot -vv --remote X host-tools', 'bot host-tools -vv --remote X'],
    ['knows actioncache', 'actioncache --remote X get D', 'action-cache get --remote X D'],
    ['knows cleanup', 'cleanup --dry-run F', 'server cleanup --dry-run F'],
    ['leaves a group without a sub-command alone', 'cas --help', 'cas --help'],
    ['leaves capabilities alone', 'capabilities --remote X', 'capabilities --remote X'],
    ['leaves other words alone', 'help --x cas', 'help --x cas'],
    ['joins -p NAME VALUE', 'execute command -p OS Linux . -- a', 'execute command -p OS=Linux . -- a'],
    ['leaves -p NAME=VALUE alone', 'execute command -p OS=Linux . -- a', 'execute command -p OS=Linux . -- a'],
    ['joins --platform-property', 'execute command --platform-property a b', 'execute command --platform-property a=b'],
    ['leaves a NAME without a VALUE alone', 'execute command -p OS -- a', 'execute command -p OS -- a'],
    ['joins -w of the group', 'bot --parent main -w OS Linux host-tools', 'bot host-tools --parent main -w OS=Linux'],
    [
      'drops the BOOL of --output-file',
      'execute command --output-file a True . b',
      'execute command --output-file a . b',
    ],
    [
      'keeps a PATH that follows --output-file',
      'execute command --output-file a . b',
      'execute command --output-file a . b',
    ],
    ['drops --verify of cas', 'cas download-file --verify D P', 'cas download-file D P'],
    [
      'touches nothing behind "--"',
      'execute command -- tool -p a b --output-file c 1',
      'execute command -- tool -p a b --output-file c 1',
    ],
  ];
  for (const [what, given, wanted] of cases) {
    it(what, () => {
      assert.deepEqual(normaliseArgv(given.split(' ')), wanted.split(' '));
    });
  }

  it('takes no words for no words', () => {
    assert.deepEqual(normaliseArgv([]), []);
  });
});
