import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Digest } from '../../src/digest/digest.js';
import { SHA256 } from '../../src/digest/digest-function.js';
import { type DigestedDirectory, directoriesOf, encodeDirectory, treeOf } from '../../src/merkle/tree.js';
import { reapi } from '../../src/proto/index.js';

/** A DAG: each Directory refers to some that were made before it. */
const dags = fc.array(fc.array(fc.nat(30), { maxLength: 5 }), { minLength: 1, maxLength: 30 }).map((links) => {
  const made: DigestedDirectory[] = [];
  for (const [index, children] of links.entries()) {
    const distinct = [...new Set(children.filter((child) => child < index))].sort((a, b) => a - b);
    const directory = {
      directories: distinct.map((child, position) => ({
        name: String(position).padStart(2, '0'),
        digest: made[child]!.digest.toProto(),
      })),
      files: [{ name: `file ${index % 7}`, digest: Digest.empty().toProto() }],
    };
    made.push({ digest: encodeDirectory(directory, SHA256).digest, directory });
  }
  return made;
});

describe('treeOf', () => {
  it('is topologically sorted: the root, then each reachable Directory once, after all its parents (CMD-14)', () => {
    fc.assert(
      fc.property(dags, (made) => {
        const root = made.at(-1)!;
        const byKey = new Map(made.map((each) => [each.digest.key, each]));

        const tree = treeOf(root, byKey);

        const order = [tree.root ?? {}, ...(tree.children ?? [])].map(
          (directory) => encodeDirectory(directory, SHA256).digest.key,
        );
        assert.equal(order[0], root.digest.key);
        assert.equal(new Set(order).size, order.length, 'each once');
        const reachable = new Set<string>();
        const follow = ({ digest, directory }: DigestedDirectory): void => {
          if (reachable.has(digest.key)) return;
          reachable.add(digest.key);
          for (const child of directory.directories ?? []) {
            follow(byKey.get(Digest.fromProto(child.digest, SHA256).key)!);
          }
        };
        follow(root);
        assert.deepEqual([...order].sort(), [...reachable].sort());
        for (const [position, key] of order.entries()) {
          for (const child of byKey.get(key)!.directory.directories ?? []) {
            assert.ok(order.indexOf(Digest.fromProto(child.digest, SHA256).key) > position);
          }
        }
      }),
    );
  });

  it('encodes as records of the root, then of the children (CMD-14)', () => {
    const leaf = { files: [{ name: 'f', digest: Digest.empty().toProto() }] };
    const digested = { digest: encodeDirectory(leaf, SHA256).digest, directory: leaf };
    const directory = { directories: [{ name: 'd', digest: digested.digest.toProto() }] };
    const root = { digest: encodeDirectory(directory, SHA256).digest, directory };

    const bytes = reapi.Tree.encode(treeOf(root, new Map([[digested.digest.key, digested]]))).finish();

    assert.equal(bytes[0], 0x0a);
    assert.equal(bytes[2 + bytes[1]!], 0x12);
  });
});

describe('directoriesOf', () => {
  it('finds the Directories of a Tree under the digests that name them', () => {
    fc.assert(
      fc.property(dags, (made) => {
        const root = made.at(-1)!;
        const tree = treeOf(root, new Map(made.map((each) => [each.digest.key, each])));

        const found = directoriesOf(reapi.Tree.decode(reapi.Tree.encode(tree).finish()), SHA256);

        for (const child of root.directory.directories ?? []) {
          assert.ok(found.has(Digest.fromProto(child.digest, SHA256).key));
        }
      }),
    );
  });
});
