import { reapi } from '../../src/proto/index.js';
import { type BenchBlob, batchUpdateRequest, paths } from './cas-messages.js';
import type { Http2Load } from './http2-load.js';
import { countResults, executeRequest, jobPaths, messagesOf, newActions, sharedBlobs } from './job-messages.js';

let batches = 0;

/** New Actions that are in the CAS, with what they need. */
export async function uploadActions(load: Http2Load, count: number, doNotCache = false): Promise<readonly BenchBlob[]> {
  const actions = newActions(`${process.pid}-${(batches += 1)}`, count, doNotCache);
  const blobs = [...sharedBlobs, ...actions];
  const each = 10_000;
  for (let start = 0; start < blobs.length; start += each) {
    const answer = await load.call(paths.batchUpdate, batchUpdateRequest(blobs.slice(start, start + each)));
    const { responses } = reapi.BatchUpdateBlobsResponse.decode(messagesOf(answer)[0] ?? new Uint8Array());
    const failure = responses.find(({ status }) => (status?.code ?? 0) !== 0);
    if (failure) throw new Error(`A blob was not stored: ${failure.status?.message}`);
  }
  return actions;
}

/** Executes `actions`, `concurrency` at a time, and follows each to its end. Throws unless each has one result. */
export async function executeAll(
  load: Http2Load,
  actions: readonly BenchBlob[],
  { concurrency, connections }: { readonly concurrency: number; readonly connections: number },
): Promise<void> {
  let begun = 0;
  const work = async (lane: number): Promise<void> => {
    while (begun < actions.length) {
      const request = executeRequest(actions[begun++]!);
      const results = countResults(await load.call(jobPaths.execute, request, lane % connections));
      if (results !== 1) throw new Error(`A client was told ${results} results`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, lane) => work(lane)));
}
