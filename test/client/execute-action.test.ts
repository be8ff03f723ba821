import assert from 'node:assert/strict';
import { draftAction } from '../../src/client/action-draft.js';
import { Client } from '../../src/client/client.js';
import { executeAction } from '../../src/client/execute-action.js';
import { Code } from '../../src/common/code.js';
import { reapi } from '../../src/proto/index.js';
import { CommandServer, operationOf } from '../commands/command-server.js';
import { hasCode } from '../helpers/has-code.js';

const { COMPLETED, EXECUTING, QUEUED } = reapi.ExecutionStage.Value;

describe('executeAction', () => {
  let server: CommandServer;
  let client: Client;

  beforeEach(async () => {
    server = await CommandServer.listen();
    client = await Client.connect({ url: server.url });
  });
  afterEach(async () => {
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it('tells each stage, and how it ended', async () => {
    server.execute = async function* () {
      yield operationOf(QUEUED);
      yield operationOf(EXECUTING);
      yield operationOf(COMPLETED, { result: { exitCode: 3 }, message: 'for people' });
    };
    const stages: string[] = [];

    const outcome = await executeAction(client, await draftAction({ argv: ['x'] }), {
      onState: (stage) => stages.push(stage),
    });

    assert.deepEqual(stages, ['QUEUED', 'EXECUTING', 'COMPLETED']);
    assert.deepEqual([outcome.result?.exitCode, outcome.message, outcome.failure], [3, 'for people', undefined]);
  });

  it('gives the failure beside what the command had made', async () => {
    server.endWith({ status: { code: Code.DeadlineExceeded, message: 'Too long' }, result: { exitCode: 143 } });

    const { failure, result } = await executeAction(client, await draftAction({ argv: ['x'] }));

    assert.deepEqual([failure?.code, failure?.message, result?.exitCode], [Code.DeadlineExceeded, 'Too long', 143]);
  });

  it('cancels an operation that gets its name only after the abort', async () => {
    const stopping = new AbortController();
    server.execute = async function* (_request, { signal }) {
      stopping.abort();
      yield operationOf(QUEUED);
      await new Promise((over) => signal.addEventListener('abort', over));
    };

    const executing = executeAction(client, await draftAction({ argv: ['x'] }), {}, stopping.signal);

    await assert.rejects(executing, hasCode(Code.Cancelled));
    assert.deepEqual(server.cancelled, ['operations/1']);
  });

  it('does not begin when it is aborted already', async () => {
    const draft = await draftAction({ argv: ['x'] });

    await assert.rejects(executeAction(client, draft, {}, AbortSignal.abort()));

    assert.deepEqual(server.requests, []);
  });
});
