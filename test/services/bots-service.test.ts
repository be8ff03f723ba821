import assert from 'node:assert/strict';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { packAny, unpackAny } from '../../src/proto/any.js';
import { reapi, rwapi } from '../../src/proto/index.js';
import { millisecondsOf } from '../../src/proto/timestamp.js';
import { Stage } from '../../src/scheduler/stage.js';
import { BotsService } from '../../src/services/bots-service.js';
import { ActionBench } from '../helpers/action-bench.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';
import { responseOf } from '../helpers/jobs.js';
import { until } from '../helpers/until.js';

const { OK, BOT_TERMINATING, INITIALIZING, UNHEALTHY, HOST_REBOOTING } = rwapi.BotStatus;
const { PENDING, ACTIVE, COMPLETED, CANCELLED } = rwapi.LeaseState;

type SessionMessage = rwapi.BotSession.$Properties;

const packResult = (result: reapi.ActionResult.$Properties) =>
  packAny('build.bazel.remote.execution.v2.ActionResult', reapi.ActionResult, result);

describe('BotsService', () => {
  let bench: ActionBench;
  let service: BotsService;
  const context = fakeCallContext();
  const invalid = hasCode(Code.InvalidArgument);

  beforeEach(async () => {
    bench = await ActionBench.open({ propertyKeys: ['pool', 'tool'] });
    service = new BotsService(bench.registry);
  });

  afterEach(() => bench[Symbol.asyncDispose]());

  const create = (overrides: SessionMessage = {}, parent = 'main'): Promise<SessionMessage> =>
    service.createBotSession(
      rwapi.CreateBotSessionRequest.create({ parent, botSession: { botId: 'bot', status: OK, ...overrides } }),
      context,
    );
  const update = (
    session: SessionMessage,
    overrides: SessionMessage = {},
    calling = context,
  ): Promise<SessionMessage> =>
    service.updateBotSession(
      rwapi.UpdateBotSessionRequest.create({ name: session.name!, botSession: { ...session, ...overrides } }),
      calling,
    );
  const queue = (action = 'a', properties: reapi.Platform.Property.$Properties[] = []) =>
    bench.jobs.execute(action, {
      platform: properties.map(({ name, value }) => ({ name: name ?? '', value: value ?? '' })),
    });

  it('names sessions after their parent, and tells when they expire (RW-1, RW-4)', async () => {
    const session = await create();
    const unnamed = await create({}, '');

    assert.match(session.name ?? '', /^main\/[0-9a-f-]{36}$/);
    assert.match(unnamed.name ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(millisecondsOf(session.expireTime), bench.jobs.clock.now() + 60_000);
    assert.equal((await update(unnamed)).name, unnamed.name);
  });

  it('echoes what the bot says of itself', async () => {
    const worker = { devices: [{ handle: 'h', properties: [{ key: 'OSFamily', value: 'linux' }] }] };

    const session = await create({ worker, version: '7' });

    assert.deepEqual([session.botId, session.status, session.version, session.worker], ['bot', OK, '7', worker]);
  });

  for (const [title, overrides] of [
    ['no bot_id', { botId: '' }],
    ['no status', { status: rwapi.BotStatus.BOT_STATUS_UNSPECIFIED }],
  ] as const) {
    it(`refuses a session with ${title} (RW-2)`, async () => {
      await assert.rejects(create(overrides), invalid);
    });
  }

  it('refuses an unknown parent, an unset session, and names that differ (RW-2)', async () => {
    const session = await create();

    await assert.rejects(create({}, 'unknown'), invalid);
    await assert.rejects(
      service.createBotSession(rwapi.CreateBotSessionRequest.create({ parent: 'main' }), context),
      invalid,
    );
    await assert.rejects(
      service.updateBotSession(
        rwapi.UpdateBotSessionRequest.create({ name: 'main/other', botSession: session }),
        context,
      ),
      invalid,
    );
  });

  it('refuses an update of a session that it does not know, or that another bot has (RW-2)', async () => {
    const session = await create();

    await assert.rejects(update({ ...session, name: 'main/unknown' }), invalid);
    await assert.rejects(update({ ...session, botId: 'thief' }), invalid);
    await assert.rejects(update(session), invalid);
  });

  it('hands out a lease whose payload is the digest of the Action (RW-8)', async () => {
    const { actionDigest } = await queue();

    const [lease] = (await create()).leases!;

    const payload = unpackAny('build.bazel.remote.execution.v2.Digest', reapi.Digest, lease?.payload);
    assert.equal(lease?.payload?.type_url, 'type.googleapis.com/build.bazel.remote.execution.v2.Digest');
    assert.ok(Digest.fromProto(payload, actionDigest.function).equals(actionDigest));
    assert.equal(lease.state, PENDING);
    assert.match(lease.id ?? '', /^[0-9a-f]{32}$/);
  });

  for (const status of [UNHEALTHY, HOST_REBOOTING, BOT_TERMINATING, INITIALIZING]) {
    it(`gives nothing to a bot of status ${rwapi.BotStatus[status]} (RW-3)`, async () => {
      await queue();

      assert.deepEqual((await create({ status })).leases, []);
    });
  }

  it('takes the whole way of a lease (RW-6)', async () => {
    const operation = await queue();
    const session = await create();
    const { id } = session.leases![0]!;

    const running = await update(session, { leases: [{ id: id!, state: ACTIVE }] });
    const whileRunning = await bench.jobs.scheduler.find(operation);
    const leases = [{ id: id!, state: COMPLETED, status: { code: Code.Ok }, result: packResult({ exitCode: 7 }) }];
    const idle = await update(session, { leases });

    assert.equal(running.leases?.[0]?.state, ACTIVE);
    assert.equal(whileRunning.stage, Stage.Executing);
    assert.deepEqual(idle.leases, []);
    assert.equal(responseOf(await bench.jobs.scheduler.find(operation)).result?.exitCode, 7);
  });

  it('queues a job again whose result does not decode (RW-10)', async () => {
    const operation = await queue();
    const session = await create();
    const result = { ...packResult({}), value: Buffer.from([0xff]) };

    await update(session, { leases: [{ id: session.leases![0]!.id!, state: COMPLETED, result }] });

    assert.equal((await bench.jobs.scheduler.find(operation)).stage, Stage.Queued);
  });

  it('calls off leases that are unknown or of another session, and forgets them once they are over (RW-7)', async () => {
    await queue();
    const owner = await create();
    const { id } = owner.leases![0]!;
    const leases = [
      { id: id!, state: ACTIVE },
      { id: 'unknown', state: PENDING },
      { id: 'over', state: COMPLETED },
      { id: 'stopped', state: CANCELLED },
    ];

    const told = await create({ botId: 'other', leases });

    assert.deepEqual(
      told.leases?.map((lease) => [lease.id, lease.state]),
      [
        [id, CANCELLED],
        ['unknown', CANCELLED],
      ],
    );
  });

  it('moves bytes that a result carries to the CAS (AC-3)', async () => {
    const operation = await queue();
    const session = await create();
    const stdout = Buffer.from('hello');
    const result = packResult({ stdoutRaw: stdout, outputFiles: [{ path: 'a', contents: Buffer.from('content') }] });

    await update(session, { leases: [{ id: session.leases![0]!.id!, state: COMPLETED, result }] });

    const stored = responseOf(await bench.jobs.scheduler.find(operation)).result;
    assert.equal(stored?.stdoutRaw?.length ?? 0, 0);
    assert.equal(stored?.stdoutDigest?.hash, Digest.of(stdout).hash);
    assert.equal(String(await readBlob(bench.blobs, Digest.of(stdout))), 'hello');
    assert.equal(stored.outputFiles?.[0]?.digest?.hash, Digest.of(Buffer.from('content')).hash);
  });

  it('matches properties of the first device and of the worker; a config without value takes any (RW-11)', async () => {
    const property = (name: string, value: string) => ({ name, value });
    const worker = {
      devices: [
        { handle: '1', properties: [{ key: 'OSFamily', value: 'linux' }] },
        { handle: '2', properties: [{ key: 'ISA', value: 'x86-64' }] },
      ],
      properties: [{ key: 'pool', value: 'a' }],
      configs: [{ key: 'tool', value: '' }],
    };
    await queue('second device', [property('ISA', 'x86-64')]);
    const fitting = await queue('fits', [
      property('OSFamily', 'linux'),
      property('pool', 'a'),
      property('tool', 'anything'),
    ]);

    const { leases } = await create({ worker });

    const payload = unpackAny('build.bazel.remote.execution.v2.Digest', reapi.Digest, leases?.[0]?.payload);
    assert.equal(payload?.hash, fitting.actionDigest.hash);
  });

  it('holds an idle bot until there is work, and a busy one only with its header (RW-5)', async () => {
    const { clock } = bench.jobs;
    const deadlineMs = clock.now() + 20_000;
    const session = await create();
    const before = clock.sleepers;
    const answer = update(session, {}, fakeCallContext({ deadlineMs }));
    await until(() => clock.sleepers > before);
    const operation = await queue();
    const { leases } = await answer;
    const busy = { leases: leases!.map(({ id }) => ({ id: id!, state: ACTIVE })) };

    const unheld = await update(session, busy, fakeCallContext({ deadlineMs }));
    const header = (name: string): string | undefined => (name === 'bgd-hold-busy' ? '1' : undefined);
    const held = update(session, busy, fakeCallContext({ deadlineMs, header }));
    await until(() => clock.sleepers > before);
    await bench.jobs.scheduler.cancel(operation);

    assert.equal(unheld.leases?.[0]?.state, ACTIVE);
    assert.equal((await held).leases?.[0]?.state, CANCELLED);
  });

  it('lets a terminating bot go when it has nothing left (RW-3)', async () => {
    const session = await create();

    const { leases } = await update(session, { status: BOT_TERMINATING });

    assert.deepEqual(leases, []);
    await assert.rejects(update(session), invalid);
  });
});
