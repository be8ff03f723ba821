import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Heap } from '../../src/simulation/heap.js';

interface Item {
  readonly key: number;
  isGone: boolean;
}

describe('Heap', () => {
  it('has the least of what was put in at hand, whatever comes and goes', () => {
    const step = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant('pop' as const), fc.constant('gone' as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const heap = new Heap<Item>({ compare: (a, b) => a.key - b.key, isCurrent: ({ isGone }) => !isGone });
        const model: Item[] = [];
        for (const [index, next] of steps.entries()) {
          if (next === 'pop') {
            const popped = heap.pop();
            assert.equal(popped?.key, model.length > 0 ? Math.min(...model.map(({ key }) => key)) : undefined);
            if (popped) model.splice(model.indexOf(popped), 1);
          } else if (next === 'gone') {
            for (const item of model.splice(index % Math.max(1, model.length), 1)) item.isGone = true;
          } else {
            const item = { key: next, isGone: false };
            model.push(item);
            heap.push(item);
          }
        }
        while (model.length > 0) {
          const popped = heap.pop();
          assert.ok(popped);
          assert.equal(popped.key, Math.min(...model.map(({ key }) => key)));
          model.splice(model.indexOf(popped), 1);
        }
        assert.equal(heap.peek(), undefined);
      }),
    );
  });
});
