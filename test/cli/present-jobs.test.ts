import assert from 'node:assert/strict';
import { presentAge } from '../../src/cli/present-age.js';
import { presentBots } from '../../src/cli/present-bots.js';
import { collectPages } from '../../src/cli/page-flags.js';
import { presentOperationHistory } from '../../src/cli/present-operation-history.js';
import { presentOperations } from '../../src/cli/present-operation.js';
import type { BotSummary } from '../../src/client/bot-summary.js';
import type { OperationHistory } from '../../src/client/operation-history.js';

const unset = undefined;
const operation: OperationHistory = {
  ...{ name: 'operations/1', stage: 'QUEUED', done: false, actionDigest: 'abc/1', failure: unset, exitCode: unset },
  ...{ cached: unset, worker: 'bot', queuedAt: '2026-01-02T03:04:05.678Z', leasedAt: unset, startedAt: unset },
  ...{ completedAt: unset, invocation: 'build', mnemonic: 'Cc', target: '//a:b', correlatedInvocations: unset },
  ...{ priority: 0, rank: 12.34567, platform: [{ name: 'pool', value: 'gpu' }], sharedBy: 2, attempts: [] },
  waiting: { message: 'all 2 bots that fit are busy', ahead: 0, idleBots: 0, busyBots: 2, drainingBots: 0 },
};

describe('presentAge', () => {
  it('says times in the largest unit that there are two of', () => {
    const ages = [-3, 0.4, 59, 119, 120, 7_199, 7_200, 172_799, 172_800].map(presentAge);

    assert.deepEqual(ages, ['0s', '0s', '59s', '119s', '2m', '119m', '2h', '47h', '2d']);
  });
});

describe('presentOperations', () => {
  it('tells the age, who has it, what it is, and leaves out what does not fit', () => {
    const now = Date.parse('2026-01-02T03:09:05.678Z');

    const wide = presentOperations([operation], { now }).split('\n');
    const narrow = presentOperations([operation], { now, width: 40 }).split('\n');

    assert.deepEqual(
      wide.map((line) => line.split(/ {2,}/)),
      [
        ['NAME', 'STATE', 'AGE', 'BOT', 'TARGET', 'INVOCATION', 'ACTION'],
        ['operations/1', 'QUEUED', '5m', 'bot', 'Cc //a:b', 'build', 'abc/1'],
      ],
    );
    const untold = { ...operation, mnemonic: unset, target: unset, worker: unset };
    assert.equal(
      presentOperations([untold], { now, width: 40 }).split('\n')[0],
      'NAME          STATE   AGE  INVOCATION',
    );
    assert.ok(narrow.every((line) => line.length <= 40));
    assert.equal(narrow[1], 'operations/1  QUEUED  5m   bot  Cc //a:b');
  });
});

describe('presentOperationHistory', () => {
  it('tells facts a line, and only those that there are', () => {
    assert.equal(
      presentOperationHistory(operation),
      [
        'name: operations/1',
        'state: QUEUED',
        'waits: all 2 bots that fit are busy',
        'action: abc/1',
        'target: Cc //a:b',
        'invocation: build',
        'platform: pool=gpu',
        'priority: 0',
        'rank: 12.346',
        'shared by: 2 operations',
        'queued: 2026-01-02T03:04:05.678Z',
      ].join('\n'),
    );
  });

  it('tells of each attempt when it began and ended, and what went wrong below', () => {
    const leasedAt = '2026-01-02T03:04:05.500Z';
    const attempts = [
      {
        ...{ number: 1, bot: 'one', session: 's/1', leasedAt, startedAt: '2026-01-02T03:04:05.600Z' },
        ...{ endedAt: '2026-01-02T03:04:15.500Z', outcome: 'lost', error: 'it vanished' },
      },
      {
        number: 2,
        bot: 'two',
        session: 's/2',
        leasedAt,
        startedAt: unset,
        endedAt: unset,
        outcome: unset,
        error: unset,
      },
    ];

    const lines = presentOperationHistory({ ...operation, attempts })
      .split('\n')
      .slice(-4);

    assert.deepEqual(
      lines.map((line) => line.split(/ {2,}/)),
      [
        ['ATTEMPT', 'BOT', 'OUTCOME', 'LEASED', 'BEGUN', 'ENDED', 'SESSION'],
        ['1', 'one', 'lost', '2026-01-02T03:04:05Z', '+0.1 s', '+10.0 s', 's/1'],
        ['2', 'two', 'leased', '2026-01-02T03:04:05Z', 's/2'],
        ['attempt 1: it vanished'],
      ],
    );
  });
});

describe('presentBots', () => {
  const away: BotSummary = {
    ...{ botId: 'away', status: 'drained', session: unset, properties: [], wildcards: [] },
    ...{ expiresInSeconds: unset, lease: unset },
  };

  it('tells who is away, and who is to finish or stop what it has', () => {
    const lease = { operation: 'operations/1', actionDigest: 'abc/1', leasedAt: unset, startedAt: unset };
    const connected = {
      session: 's/1',
      properties: [{ name: 'a', value: 'b' }],
      wildcards: ['c'],
      expiresInSeconds: 59,
    };
    const busy = { ...away, ...connected, botId: 'busy', lease: { ...lease, forSeconds: 7, calledOff: false } };
    const stopping = {
      ...busy,
      status: 'accepting',
      lease: { ...busy.lease, operation: unset, calledOff: true },
    } as const;

    assert.deepEqual(
      presentBots([away, busy, stopping])
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
      [
        ['BOT', 'STATUS', 'BUSY', 'EXPIRES', 'WORKS ON', 'PROPERTIES', 'SESSION'],
        ['away', 'drained, away'],
        ['busy', 'drained, busy', '7s', '59s', 'operations/1', 'a=b c=*', 's/1'],
        ['busy', 'accepting', '7s', '59s', 'abc/1 (to stop)', 'a=b c=*', 's/1'],
      ],
    );
  });
});

describe('collectPages', () => {
  const pages = async ({ pageSize, pageToken }: { pageSize: number; pageToken: string }) => {
    const start = Number(pageToken);
    const end = Math.min(7, start + (pageSize === 0 ? 3 : Math.min(pageSize, 3)));
    const items = Array.from({ length: end - start }, (_, index) => start + index);
    return { items, nextPageToken: end === 7 ? '' : String(end) };
  };

  it('goes to the end, or to the limit, and says where to go on', async () => {
    assert.deepEqual(await collectPages({ 'page-token': '' }, pages), {
      items: [0, 1, 2, 3, 4, 5, 6],
      nextPageToken: '',
    });
    assert.deepEqual(await collectPages({ limit: 4, 'page-token': '1' }, pages), {
      items: [1, 2, 3, 4],
      nextPageToken: '5',
    });
  });
});
