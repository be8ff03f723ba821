import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { parseConnectionString } from '../../src/sql/connection-string.js';

describe('parseConnectionString', () => {
  for (const [text, path] of [
    ['sqlite:///./jobs.db', './jobs.db'],
    ['sqlite:////var/lib/bgd/jobs.db', '/var/lib/bgd/jobs.db'],
    ['sqlite+pysqlite:///jobs.db', 'jobs.db'],
    ['sqlite://', ':memory:'],
    ['sqlite:///:memory:', ':memory:'],
  ] as const) {
    it(`reads ${text}`, () => {
      assert.deepEqual(parseConnectionString(text), { path });
    });
  }

  it('refuses another database without repeating its password', () => {
    assert.throws(
      () => parseConnectionString('postgresql://user:secret@host/db'),
      (reason: Error & { code: Code }) => reason.code === Code.InvalidArgument && !reason.message.includes('secret'),
    );
  });
});
