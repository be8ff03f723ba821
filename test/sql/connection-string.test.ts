import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
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
      assert.deepEqual(parseConnectionString(text), { type: 'sqlite', path });
    });
  }

  for (const [text, location] of [
    ['postgresql://db.example.org/bgd', { host: 'db.example.org', database: 'bgd' }],
    [
      'postgresql+psycopg2://bgd:p%40ss/w?rd@[::1]:5433/bgd',
      { user: 'bgd', password: 'p@ss/w?rd', host: '::1', port: 5433, database: 'bgd' },
    ],
    ['postgres://bgd@127.0.0.1', { user: 'bgd', host: '127.0.0.1' }],
    ['postgresql://bgd@/bgd?host=/run/postgresql', { user: 'bgd', database: 'bgd', host: '/run/postgresql' }],
    [
      'postgresql://db/bgd?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=3&options=-csearch_path%3Dx',
      {
        host: 'db',
        database: 'bgd',
        sslMode: 'verify-full',
        sslRootCert: '/etc/ca.pem',
        connectTimeoutMs: 3000,
        options: '-csearch_path=x',
      },
    ],
    ['postgresql://', {}],
  ] as const) {
    it(`reads ${text}`, () => {
      assert.deepEqual(parseConnectionString(text), { type: 'postgresql', ...location });
    });
  }

  for (const [text, wanted] of [
    ['mysql://user:secret@host/db', /"mysql:" is not supported: sqlite:\/\/\/PATH or postgresql:/],
    ['postgresql://user:se:secret@ret@host/db', /write @ as %40/],
    ['postgresql://user:secret%@host/db', /has a password with a %/],
    ['postgresql://user:secret@host:port/db', /is not postgresql:\/\/USER/],
    ['postgresql://user:secret@host/db?sslmode=maybe', /sslmode "maybe": one of disable, require,/],
    ['postgresql://user:secret@host/db?target=any', /parameter "target", which bgd does not know\. Known are: host,/],
    ['postgresql://user:secret@host/db?connect_timeout=soon', /connect_timeout "soon": a whole number/],
  ] as const) {
    it(`refuses ${text} without repeating its password (S6)`, () => {
      assert.throws(
        () => parseConnectionString(text),
        (reason: unknown) => {
          assert.ok(reason instanceof StatusError);
          assert.equal(reason.code, Code.InvalidArgument);
          assert.match(reason.message, wanted);
          assert.ok(!reason.message.includes('secret'));
          return true;
        },
      );
    });
  }
});
