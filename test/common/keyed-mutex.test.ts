import assert from 'node:assert/strict';
import { KeyedMutex } from '../../src/common/keyed-mutex.js';

describe('KeyedMutex', () => {
  const turn = (): Promise<void> => new Promise(setImmediate);

  const isFree = (mutex: KeyedMutex): boolean => {
    let isStarted = false;
    void mutex.exclusive('key', async () => void (isStarted = true));
    return isStarted;
  };

  it('runs one task of a key at a time, and tasks of different keys side by side', async () => {
    const mutex = new KeyedMutex();
    let running = 0;
    let most = 0;
    const task = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await turn();
      running -= 1;
    };

    await Promise.all(Array.from({ length: 20 }, () => mutex.exclusive('key', task)));
    assert.equal(most, 1);

    await Promise.all([mutex.exclusive('a', task), mutex.exclusive('b', task)]);
    assert.equal(most, 2);
  });

  it('starts at once when the key is free', () => {
    const mutex = new KeyedMutex();
    let isStarted = false;

    void mutex.exclusive('key', async () => {
      isStarted = true;
      await turn();
    });

    assert.ok(isStarted);
  });

  it('passes results and failures on, and goes on after a failure', async () => {
    const mutex = new KeyedMutex();

    const failing = mutex.exclusive('key', () => Promise.reject(new Error('first failed')));
    const second = mutex.exclusive('key', () => Promise.resolve('second'));

    await assert.rejects(failing, /first failed/);
    assert.equal(await second, 'second');
    assert.ok(isFree(mutex));
  });

  it('gives up waiting when the signal aborts, and never starts that task', async () => {
    const mutex = new KeyedMutex();
    const controller = new AbortController();
    let finish: () => void = () => undefined;
    const first = mutex.exclusive('key', () => new Promise<void>((resolve) => (finish = resolve)));
    let isStarted = false;
    const second = mutex.exclusive('key', async () => void (isStarted = true), controller.signal);

    controller.abort();

    await assert.rejects(second);
    finish();
    await first;
    await turn();
    assert.equal(isStarted, false);
  });

  it('gives up at once when the signal has aborted before, and lets those behind go on', async () => {
    const mutex = new KeyedMutex();
    let finish: () => void = () => undefined;
    const first = mutex.exclusive('key', () => new Promise<void>((resolve) => (finish = resolve)));
    const second = mutex.exclusive('key', () => Promise.resolve('second'), AbortSignal.abort());
    const third = mutex.exclusive('key', () => Promise.resolve('third'), new AbortController().signal);

    await assert.rejects(second);
    finish();
    await first;

    assert.equal(await third, 'third');
    assert.ok(isFree(mutex));
  });

  it('takes thousands of one key, in the order in which they came', async () => {
    const mutex = new KeyedMutex();
    const order: number[] = [];
    const numbers = Array.from({ length: 5_000 }, (_, index) => index);

    // Were all of them woken each time, this would take minutes.
    const task = async (number: number): Promise<void> => {
      await turn();
      order.push(number);
    };
    await Promise.all(numbers.map((each) => mutex.exclusive('key', () => task(each), new AbortController().signal)));

    assert.deepEqual(order, numbers);
  });
});
