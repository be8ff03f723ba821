import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { parseOperationFilter } from '../../src/scheduler/operation-filter.js';
import { Stage } from '../../src/scheduler/stage.js';
import { actionNamed } from '../helpers/jobs.js';

describe('parseOperationFilter (OP-3)', () => {
  it('takes everything when there is no filter', () => {
    assert.deepEqual(parseOperationFilter('  '), []);
  });

  it('reads several conditions', () => {
    assert.deepEqual(parseOperationFilter('stage=queued & queued_time>2026-01-01T00:00:00Z'), [
      { field: 'stage', operator: '=', value: Stage.Queued },
      { field: 'queued_time', operator: '>', value: Date.parse('2026-01-01T00:00:00Z') },
    ]);
  });

  it('reads stages in any case, digests in any form, and text as it is', () => {
    const { hash, sizeBytes } = actionNamed('a');

    assert.deepEqual(parseOperationFilter(`stage >= EXECUTING&action_digest=${hash}-${sizeBytes}&target_id!=//a:b c`), [
      { field: 'stage', operator: '>=', value: Stage.Executing },
      { field: 'action_digest', operator: '=', value: `${hash}/${sizeBytes}` },
      { field: 'target_id', operator: '!=', value: '//a:b c' },
    ]);
  });

  for (const filter of [
    'colour=red',
    'stage',
    'stage=resting',
    'stage=queued & ',
    'queued_time>yesterday',
    'action_digest=abc',
    'target_id>a',
    'constructor=1',
  ]) {
    it(`refuses ${JSON.stringify(filter)}`, () => {
      assert.throws(() => parseOperationFilter(filter), { code: Code.InvalidArgument });
    });
  }
});
