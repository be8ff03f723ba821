import { reapi, longrunning, rwapi } from '../../src/proto/index.js';
import { unpackAny, packAny } from '../../src/proto/any.js';
import { messageNames } from '../../src/proto/wire-names.js';
import { type BenchBlob, blobOf, digestOf } from './cas-messages.js';
import { framed } from './frame.js';

const bots = '/google.devtools.remoteworkers.v1test2.Bots';

/** Full paths of the methods that are measured. */
export const jobPaths = {
  execute: '/build.bazel.remote.execution.v2.Execution/Execute',
  createSession: `${bots}/CreateBotSession`,
  updateSession: `${bots}/UpdateBotSession`,
} as const;

const command = blobOf(
  reapi.Command.encode({ arguments: ['/bin/true', 'a', 'b'], outputPaths: ['out/file.o'] }).finish(),
);

/** An Action that is like no other, with its Command and the empty input root. */
export function newAction(name: string, doNotCache = false): BenchBlob {
  const action = {
    commandDigest: digestOf(command),
    inputRootDigest: digestOf(blobOf(new Uint8Array())),
    salt: Buffer.from(name),
    doNotCache,
  };
  return blobOf(reapi.Action.encode(action).finish());
}

/** So many Actions, and what has to be in the CAS for them. */
export function newActions(prefix: string, count: number, doNotCache = false): readonly BenchBlob[] {
  return Array.from({ length: count }, (_, index) => newAction(`${prefix}-${index}`, doNotCache));
}

export const sharedBlobs: readonly BenchBlob[] = [command];

export function executeRequest(action: BenchBlob): Buffer {
  return framed(reapi.ExecuteRequest.encode({ actionDigest: digestOf(action) }).finish());
}

/** The messages of a stream, without their frames. */
export function messagesOf(data: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < data.length;) {
    const end = at + 5 + data.readUInt32BE(at + 1);
    messages.push(data.subarray(at + 5, end));
    at = end;
  }
  return messages;
}

/** How many of the messages of an Execute say that it is done; throws unless the job ended well. */
export function countResults(stream: Buffer): number {
  const done = messagesOf(stream)
    .map((message) => longrunning.Operation.decode(message))
    .filter((operation) => operation.done);
  for (const { response } of done) {
    const { status, result } = unpackAny(messageNames.executeResponse, reapi.ExecuteResponse, response) ?? {};
    if ((status?.code ?? 0) !== 0 || !result) throw new Error(`A job failed: ${status?.message}`);
  }
  return done.length;
}

/** What a bot says that offers nothing in particular. */
export function sessionOf(
  botId: string,
  name: string,
  leases: rwapi.Lease.$Properties[],
): rwapi.BotSession.$Properties {
  return { botId, name, status: rwapi.BotStatus.OK, leases };
}

const result = packAny(messageNames.actionResult, reapi.ActionResult, {
  exitCode: 0,
  executionMetadata: { worker: 'bench' },
});

/** That the work of a lease is done, as the first that is said of it. */
export function completed({ id }: rwapi.Lease.$Properties): rwapi.Lease.$Properties {
  return { id: id ?? '', state: rwapi.LeaseState.COMPLETED, status: { code: 0 }, result };
}
