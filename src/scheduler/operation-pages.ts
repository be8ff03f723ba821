import { createHash } from 'node:crypto';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { ListedOperation } from './job-store.js';

/** What a client asks of a list of Operations (OP-3). */
export interface OperationListRequest {
  readonly instanceName: string;
  readonly filter: string;
  /** 0 is the server's choice. */
  readonly pageSize: number;
  /** What the last page told, or empty for the first. */
  readonly pageToken: string;
}

/** One page. */
export interface OperationPage {
  readonly operations: readonly ListedOperation[];
  /** Empty at the end. */
  readonly nextPageToken: string;
}

const defaultSize = 50;
const maxSize = 500;

/** Of responses in one page, so that it fits in a message. The first one always has room. */
const maxPageBytes = 2 * 1024 * 1024;

/** How many the page may hold. Throws INVALID_ARGUMENT for a negative number. */
export function pageSizeOf({ pageSize }: Pick<OperationListRequest, 'pageSize'>): number {
  if (pageSize < 0) throw new StatusError(Code.InvalidArgument, `Page size ${pageSize} is negative; 0 is the default`);
  return Math.min(pageSize === 0 ? defaultSize : pageSize, maxSize);
}

/** The place behind which the page begins. Throws INVALID_ARGUMENT for a token that belongs to another list. */
export function startOfPage(request: OperationListRequest): number {
  if (request.pageToken === '') return 0;
  const match = /^(?<seq>\d{1,15})\.(?<scope>[\w-]+)$/.exec(request.pageToken);
  if (match?.groups?.['scope'] === scopeOf(request)) return Number(match.groups['seq']);
  throw new StatusError(
    Code.InvalidArgument,
    'The page token belongs to another list: repeat name and filter as they were, or begin without a token',
  );
}

/** Cuts a page off `found`, which has one more than fits if the list goes on. */
export function pageOf(request: OperationListRequest, found: readonly ListedOperation[]): OperationPage {
  const operations: ListedOperation[] = [];
  let bytes = 0;
  for (const operation of found.slice(0, pageSizeOf(request))) {
    bytes += operation.response?.length ?? 0;
    if (operations.length > 0 && bytes > maxPageBytes) break;
    operations.push(operation);
  }
  const last = operations.at(-1);
  const isEnd = !last || operations.length === found.length;
  return { operations, nextPageToken: isEnd ? '' : `${last.seq}.${scopeOf(request)}` };
}

function scopeOf({ instanceName, filter }: OperationListRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([instanceName, filter]))
    .digest('base64url')
    .slice(0, 16);
}
