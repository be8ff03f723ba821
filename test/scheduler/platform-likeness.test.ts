import assert from 'node:assert/strict';
import { platformKeyOf } from '../../src/scheduler/platform.js';
import { startLike } from '../../src/scheduler/platform-likeness.js';

function key(...pairs: readonly string[]): string {
  return platformKeyOf(
    pairs.map((pair) => {
      const [name = '', value = ''] = pair.split('=');
      return { name, value };
    }),
  );
}

const cpu = { platformKey: key('OSFamily=linux', 'pool=cpu'), finish: 1_000 };
const gpu = { platformKey: key('OSFamily=linux', 'pool=gpu', 'image=a'), finish: 10 };
const any = { platformKey: key('OSFamily=linux'), finish: 500 };

describe('startLike', () => {
  it('starts a platform level with the one that shares most with it', () => {
    assert.equal(startLike(key('OSFamily=linux', 'pool=gpu', 'image=b'), [cpu, gpu, any]), 10);
    assert.equal(startLike(key('OSFamily=linux', 'pool=cpu', 'image=b'), [cpu, gpu, any]), 1_000);
  });

  it('takes the least of several that share as much', () => {
    const others = [
      { platformKey: key('pool=gpu'), finish: 30 },
      { platformKey: key('image=b'), finish: 20 },
    ];

    assert.equal(startLike(key('pool=gpu', 'image=b'), others), 20);
  });

  it('does not start level with one that has nothing in common', () => {
    assert.equal(startLike(key('pool=tpu'), [cpu, gpu, any]), undefined);
    assert.equal(startLike(key(), [cpu]), undefined);
  });

  it('takes demands for nothing as alike', () => {
    assert.equal(startLike(key(), [cpu, { platformKey: key(), finish: 7 }]), 7);
  });
});
