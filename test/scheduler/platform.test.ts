import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { checkKnownNames } from '../../src/scheduler/platform-check.js';
import { unservedOf } from '../../src/scheduler/unserved.js';
import { platformKeyOf, platformOfKey, unmetBy, type Platform } from '../../src/scheduler/platform.js';
import { offering } from '../helpers/jobs.js';

const linux = { name: 'OSFamily', value: 'linux' };
const gpu = { name: 'pool', value: 'gpu' };

describe('A platform (RW-11)', () => {
  it('has the same key however it is ordered and however often it says the same', () => {
    assert.equal(platformKeyOf([linux, gpu]), platformKeyOf([gpu, linux, gpu]));
    assert.notEqual(platformKeyOf([linux]), platformKeyOf([linux, gpu]));
  });

  it('comes back from its key', () => {
    assert.deepEqual(platformOfKey(platformKeyOf([gpu, linux])), [linux, gpu]);
    assert.deepEqual(platformOfKey(platformKeyOf([])), []);
  });

  it('is met by a bot that offers all of it, and more', () => {
    assert.deepEqual(unmetBy(offering({ OSFamily: 'linux', pool: 'gpu', ISA: 'x86-64' }), [linux, gpu]), []);
  });

  it('is met without demands by any bot', () => {
    assert.deepEqual(unmetBy(offering({}), []), []);
  });

  it('wants every one of several values of a name', () => {
    const values = { values: { ISA: ['x86-64', 'avx2'] }, wildcards: [] };
    const isa = (value: string): Platform[number] => ({ name: 'ISA', value });

    assert.deepEqual(unmetBy(values, [isa('x86-64'), isa('avx2')]), []);
    assert.deepEqual(unmetBy(values, [isa('x86-64'), isa('avx512')]), [isa('avx512')]);
  });

  it('is told apart by case', () => {
    assert.deepEqual(unmetBy(offering({ OSFamily: 'Linux' }), [linux]), [linux]);
  });

  it('is met under a wildcard whatever the value', () => {
    assert.deepEqual(unmetBy({ values: {}, wildcards: ['pool'] }, [gpu]), []);
  });

  it('finds nothing offered under the names that objects have by nature', () => {
    const property = { name: 'constructor', value: 'x' };

    assert.deepEqual(unmetBy(offering({}), [property]), [property]);
    assert.throws(() => checkKnownNames([property], [], []), { code: Code.FailedPrecondition });
  });

  it('says who lacks what when bots offer it only between them', () => {
    const bots = [
      { botId: 'a', sessionName: '', offered: offering({ OSFamily: 'linux' }) },
      { botId: 'b', sessionName: '', offered: offering({ pool: 'gpu' }) },
    ];

    const text = unservedOf([linux, gpu], bots)?.message ?? '';

    assert.match(text, /^no bot offers all of "OSFamily"="linux", "pool"="gpu"; nearest: "a" lacks "pool"="gpu"; "b"/);
  });
});
