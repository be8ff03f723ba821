import { Flags } from '@oclif/core';

/** How much of a long list is shown. */
export const pageFlags = {
  limit: Flags.integer({
    env: 'BGD_LIMIT',
    helpValue: 'N',
    min: 1,
    summary: 'Show so many, and say how to see more. By default all are shown.',
  }),
  'page-token': Flags.string({
    env: 'BGD_PAGE_TOKEN',
    helpValue: 'TOKEN',
    default: '',
    summary: 'Go on where a list ended that was limited, as it said.',
  }),
};

/** A part of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Empty at the end. */
  readonly nextPageToken: string;
}

/** How much is asked for at a time. */
export interface PageRequest {
  /** 0 is the server's choice. */
  readonly pageSize: number;
  readonly pageToken: string;
}

/** More are not asked for at a time. */
const maxPageSize = 500;

/** Says on stderr how to see more of a list that goes on; beside JSON, too, whose form has no place for it. */
export function tellMore({ nextPageToken }: Page<unknown>): void {
  if (nextPageToken !== '') process.stderr.write(`There are more: --page-token ${nextPageToken}\n`);
}

/** Loads pages until there are as many as the flags say; a server that sends larger ones has its way. */
export async function collectPages<Item>(
  flags: { readonly limit?: number | undefined; readonly 'page-token': string },
  load: (request: PageRequest) => Promise<Page<Item>>,
): Promise<Page<Item>> {
  const { limit = Infinity } = flags;
  const items: Item[] = [];
  let pageToken = flags['page-token'];
  do {
    const pageSize = limit === Infinity ? 0 : Math.min(limit - items.length, maxPageSize);
    const page = await load({ pageSize, pageToken });
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== '' && items.length < limit);
  return { items, nextPageToken: pageToken };
}
