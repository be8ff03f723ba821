import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { draftAction, type ActionDraft, type ActionSpec } from '../../src/client/action-draft.js';
import { reapi } from '../../src/proto/index.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('draftAction', () => {
  function messageOf(draft: ActionDraft, key: string): Uint8Array {
    const source = draft.sources.find(({ digest }) => digest.key === key);
    assert.ok(source && 'data' in source);
    return source.data;
  }

  function commandOf(draft: ActionDraft): reapi.Command {
    const { commandDigest } = reapi.Action.decode(messageOf(draft, draft.digest.key));
    const key = `sha256/${commandDigest?.hash ?? ''}-${commandDigest?.sizeBytes ?? 0}`;
    return reapi.Command.decode(messageOf(draft, key));
  }

  it('gives the same digest however the parts are ordered', async () => {
    const one: ActionSpec = {
      argv: ['make'],
      outputPaths: ['b', 'a', 'b'],
      environment: new Map([
        ['B', '2'],
        ['A', '1'],
      ]),
      platform: [
        ['os', 'b'],
        ['os', 'a'],
        ['cpu', 'x'],
      ],
    };
    const other: ActionSpec = {
      argv: ['make'],
      outputPaths: ['a', 'b'],
      environment: new Map([
        ['A', '1'],
        ['B', '2'],
      ]),
      platform: [
        ['cpu', 'x'],
        ['os', 'a'],
        ['os', 'b'],
      ],
    };

    const digests = [(await draftAction(one)).digest, (await draftAction(other)).digest];

    assert.equal(String(digests[0]), String(digests[1]));
  });

  it('EX-12: says in the Action and in the Command what the bot must offer', async () => {
    const draft = await draftAction({ argv: ['make'], platform: [['os', 'linux']] });

    const action = reapi.Action.decode(messageOf(draft, draft.digest.key));
    for (const { platform } of [action, commandOf(draft)]) {
      assert.deepEqual(JSON.parse(JSON.stringify(platform)), { properties: [{ name: 'os', value: 'linux' }] });
    }
  });

  it('leaves out what was not said, so that the server decides', async () => {
    const draft = await draftAction({ argv: ['make'] });

    const action = reapi.Action.decode(messageOf(draft, draft.digest.key));
    assert.deepEqual([action.timeout, action.platform, action.doNotCache], [null, null, false]);
  });

  it('CL-4: brings along the Action, the Command and all inputs', async () => {
    await using folder = await temporaryDirectory();
    await mkdir(join(folder.path, 'sub'));
    await writeFile(join(folder.path, 'sub/main.c'), 'int main;');

    const { sources } = await draftAction({ argv: ['make'], inputRoot: folder.path });

    // A file, two Directories, the Command, the Action.
    assert.equal(sources.length, 5);
  });
});
