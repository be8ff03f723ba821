import assert from 'node:assert/strict';
import { presentBytes } from '../../src/cli/present-bytes.js';
import { presentFsckState } from '../../src/cli/present-fsck.js';
import { presentQueued } from '../../src/cli/present-queued.js';
import { presentTable } from '../../src/cli/present-table.js';
import { prettyLine } from '../../src/cli/pretty-line.js';

describe('presentTable', () => {
  const rows = [
    ['operations/1', 'EXECUTING', 'a-worker-with-a-long-name'],
    ['operations/22', 'QUEUED', ''],
  ];

  it('puts columns below each other, without lines', () => {
    assert.equal(
      presentTable(['NAME', 'STATE', 'WORKER'], rows),
      [
        'NAME           STATE      WORKER',
        'operations/1   EXECUTING  a-worker-with-a-long-name',
        'operations/22  QUEUED',
      ].join('\n'),
    );
  });

  it('leaves out columns that do not fit, and cuts the first of them', () => {
    const lines = presentTable(['NAME', 'STATE', 'WORKER'], rows, 40).split('\n');

    assert.ok(
      lines.every((line) => line.length <= 40),
      lines.join('\n'),
    );
    assert.match(lines[1] ?? '', /^operations\/1 {3}EXECUTING {2}a-work.*…$/);
    assert.equal(presentTable(['NAME', 'STATE', 'WORKER'], rows, 30).split('\n')[1], 'operations/1   EXECUTING');
  });
});

describe('presentBytes', () => {
  it('says sizes as people do', () => {
    const sizes = [0, 1, 1023, 1024, 1536, 150 * 1024, 5 * 1024 ** 3].map(presentBytes);

    assert.deepEqual(sizes, ['0 B', '1 B', '1023 B', '1.0 KiB', '1.5 KiB', '150 KiB', '5.0 GiB']);
  });
});

describe('presentFsckState', () => {
  const state = { folder: '/cas', items: 10, sizeBytes: 1024 ** 2, damaged: 0, allItems: 40, allBytes: 4 * 1024 ** 2 };

  it('tells the rate, and how long it will take', () => {
    assert.equal(presentFsckState(state, 2), '/cas: 10 of 40, 1.0 MiB of 4.0 MiB, 512 KiB/s, 6 s left');
    assert.match(presentFsckState(state, 600), /, 30 min left$/);
    assert.match(presentFsckState({ ...state, damaged: 2 }, 6_000), /, 5 h 0 min left, 2 damaged$/);
  });

  it('guesses nothing at the start, or where the size is not known', () => {
    assert.equal(presentFsckState(state, 0.5), '/cas: 10 of 40, 1.0 MiB of 4.0 MiB');
    assert.equal(presentFsckState({ folder: '/ac', items: 3, sizeBytes: 0, damaged: 1 }, 9), '/ac: 3, 1 damaged');
  });
});

describe('presentQueued', () => {
  it('gives the command that starts a fitting bot', () => {
    const flags = { remote: 'grpc://host:1', 'remote-cas': 'grpc://cas:2', 'instance-name': 'main' };

    const text = presentQueued(flags, [['OSFamily', 'Linux']]);

    const bot = 'bgd bot host-tools --remote grpc://host:1 --remote-cas grpc://cas:2 --parent main -w OSFamily=Linux';
    assert.equal(text, `queued: no bot has taken it yet (start one with: ${bot})`);
  });
});

describe('prettyLine', () => {
  const line = { level: 'warn', time: '2026-01-02T03:04:05.678Z', msg: 'Lease lost', lease: 'x', attempt: 2 } as const;

  it('puts time, level, sentence and facts into one line', () => {
    assert.equal(prettyLine(line, false), '03:04:05.678 WARN  Lease lost lease=x attempt=2\n');
  });

  it('puts the failure last', () => {
    const text = prettyLine({ ...line, err: { message: 'no route' } }, false);

    assert.equal(text, '03:04:05.678 WARN  Lease lost lease=x attempt=2: no route\n');
  });

  it('colours the level where that is wanted', () => {
    assert.ok(prettyLine(line, true).includes('\u001B[33mWARN \u001B[0m'));
  });
});
