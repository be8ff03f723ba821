import assert from 'node:assert/strict';
import { Lifecycle } from '../../src/common/lifecycle.js';

describe('Lifecycle', () => {
  const closing = (name: string, closed: string[]): AsyncDisposable => ({
    [Symbol.asyncDispose]: async () => void closed.push(name),
  });

  it('closes what was opened, newest first', async () => {
    const closed: string[] = [];
    {
      await using lifecycle = new Lifecycle();
      lifecycle.use(closing('first', closed));
      lifecycle.use({ [Symbol.dispose]: () => void closed.push('second') });
      lifecycle.defer(() => closed.push('third'));
    }

    assert.deepEqual(closed, ['third', 'second', 'first']);
  });

  it('closes the others when one closing fails, and tells the first failure', async () => {
    const closed: string[] = [];
    const lifecycle = new Lifecycle();
    lifecycle.use(closing('first', closed));
    lifecycle.defer(() => {
      throw new Error('second failed');
    });
    lifecycle.defer(() => Promise.reject(new Error('third failed')));

    await assert.rejects(lifecycle[Symbol.asyncDispose](), /third failed/);

    assert.deepEqual(closed, ['first']);
  });

  it('closes each thing once', async () => {
    const closed: string[] = [];
    const lifecycle = new Lifecycle();
    lifecycle.use(closing('it', closed));

    await lifecycle[Symbol.asyncDispose]();
    await lifecycle[Symbol.asyncDispose]();

    assert.deepEqual(closed, ['it']);
  });
});
