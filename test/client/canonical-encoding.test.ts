import assert from 'node:assert/strict';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { draftAction } from '../../src/client/action-draft.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { type WireField, fieldsOf } from '../helpers/wire-fields.js';

/** Fields that may stand in a message more than once; all others may not. */
const repeated = {
  action: [],
  command: [1, 2, 3, 4, 7, 8],
  platform: [1],
  pair: [],
  directory: [1, 2, 3],
  node: [],
} as const;

/** The bytes of every kind of message that a draft brings, by their kind. */
async function messagesOf(folder: string): Promise<readonly (readonly [keyof typeof repeated, Uint8Array])[]> {
  await mkdir(join(folder, 'empty'));
  await writeFile(join(folder, 'plain'), 'x');
  await writeFile(join(folder, 'none'), '');
  await writeFile(join(folder, 'tool'), 'y');
  await chmod(join(folder, 'tool'), 0o755);
  await symlink('plain', join(folder, 'link'));
  const draft = await draftAction({
    argv: ['make', ''],
    inputRoot: folder,
    environment: new Map([
      ['Z', ''],
      ['\u{1F600}', 'astral'],
      ['\uFB00', 'high'],
    ]),
    platform: [
      ['os', 'b'],
      ['os', ''],
      ['cpu', 'x'],
    ],
    outputPaths: ['\u{1F600}', '\uFB00', 'a', 'a'],
    timeoutMs: 1_000,
  });
  const bytesOf = (digest: reapi.Digest.$Properties | null | undefined): Uint8Array => {
    const source = draft.sources.find(({ digest: { hash } }) => hash === digest?.hash);
    assert.ok(source && 'data' in source);
    return source.data;
  };
  const action = bytesOf(draft.digest.toProto());
  const { commandDigest, inputRootDigest } = reapi.Action.decode(action);
  const root = bytesOf(inputRootDigest);
  const command = bytesOf(commandDigest);
  const within = (message: Uint8Array, number: number): Uint8Array[] =>
    fieldsOf(message).flatMap((field) => (field.number === number && field.bytes ? [field.bytes] : []));
  const platform = within(command, 5)[0]!;
  return [
    ['action', action],
    ['command', command],
    ['platform', platform],
    ...[...within(platform, 1), ...within(command, 2)].map((bytes) => ['pair', bytes] as const),
    ['directory', root],
    ...[1, 2, 3].flatMap((number) => within(root, number).map((bytes) => ['node', bytes] as const)),
  ];
}

const numbersOf = (message: Uint8Array): number[] => fieldsOf(message).map(({ number }) => number);

const isDefault = ({ bytes, varint }: WireField): boolean => bytes?.length === 0 || varint === 0n;

describe('What a client makes digests of', () => {
  it('has its fields in the order of their tags, none twice, none unknown, and no default (DIG-7)', async () => {
    await using folder = await temporaryDirectory();

    const messages = await messagesOf(folder.path);

    assert.ok(new Set(messages.map(([kind]) => kind)).size === 6);
    for (const [kind, bytes] of messages) {
      const numbers = numbersOf(bytes);
      assert.deepEqual(
        numbers,
        [...numbers].sort((a, b) => a - b),
        kind,
      );
      const once = numbers.filter((number) => !(repeated[kind] as readonly number[]).includes(number));
      assert.deepEqual(once, [...new Set(once)], kind);
      // A repeated field may have an empty value, such as an empty argument, and a digest of nothing has its hash.
      const defaults = fieldsOf(bytes).filter((field) => once.includes(field.number) && isDefault(field));
      assert.deepEqual(defaults, [], kind);
    }
  });

  it('leaves out what there is nothing to say of, instead of saying it with an empty message (DIG-8)', async () => {
    await using folder = await temporaryDirectory();
    await writeFile(join(folder.path, 'file'), 'x');
    const { digest, sources } = await draftAction({ argv: ['make'], inputRoot: folder.path });
    const dataOf = (hash: string): Uint8Array => {
      const source = sources.find((each) => each.digest.hash === hash);
      assert.ok(source && 'data' in source);
      return source.data;
    };
    const action = dataOf(digest.hash);
    const { commandDigest, inputRootDigest } = reapi.Action.decode(action);
    const root = dataOf(inputRootDigest?.hash ?? '');

    // Neither a timeout (6) nor a platform (10); only arguments; no properties of the node (6) nor of the folder (5).
    assert.deepEqual(numbersOf(action), [1, 2]);
    assert.deepEqual(numbersOf(dataOf(commandDigest?.hash ?? '')), [1]);
    assert.deepEqual(numbersOf(root), [1]);
    assert.deepEqual(numbersOf(fieldsOf(root)[0]!.bytes!), [1, 2]);
    const present = reapi.Action.encode({
      commandDigest,
      inputRootDigest,
      platform: {},
    } as reapi.Action.$Properties).finish();
    assert.deepEqual(numbersOf(present), [1, 2, 10]);
    assert.notEqual(Digest.of(present).hash, digest.hash);
  });

  it('is sorted by the bytes of UTF-8, and paths stand there once (DIG-14, DIG-10)', async () => {
    await using folder = await temporaryDirectory();
    const messages = await messagesOf(folder.path);
    const command = reapi.Command.decode(messages.find(([kind]) => kind === 'command')![1]);
    const action = reapi.Action.decode(messages.find(([kind]) => kind === 'action')![1]);

    assert.deepEqual(command.outputPaths, ['a', '\uFB00', '\u{1F600}']);
    assert.deepEqual(
      command.environmentVariables.map(({ name }) => name),
      ['Z', '\uFB00', '\u{1F600}'],
    );
    for (const { platform } of [command, action]) {
      assert.deepEqual(
        platform?.properties?.map(({ name, value }) => [name, value]),
        [
          ['cpu', 'x'],
          ['os', ''],
          ['os', 'b'],
        ],
      );
    }
  });
});
