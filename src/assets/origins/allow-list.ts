/** A prefix that URLs may have: hosts and ports are equal, and the path is below. */
interface Prefix {
  readonly origin: string;
  /** Ends in a slash. */
  readonly path: string;
}

/** An encoded slash or backslash, which some servers take for a step of the path. */
const hiddenStep = /%2f|%5c/i;

/** Says which URLs the server may fetch from, redirects included. */
export class AllowList {
  readonly #prefixes: readonly Prefix[];

  /** `entries` are URLs that others may begin with, or hosts, which stand for all of `https://HOST/`. */
  constructor(entries: readonly string[]) {
    this.#prefixes = entries.map((entry) => {
      const { origin, pathname } = new URL(entry.includes('://') ? entry : `https://${entry}`);
      return { origin, path: pathname.endsWith('/') ? pathname : `${pathname}/` };
    });
  }

  permits(url: URL): boolean {
    if (url.username !== '' || url.password !== '') return false;
    return this.#prefixes.some(({ origin, path }) => origin === url.origin && isBelow(path, url.pathname));
  }
}

function isBelow(folder: string, path: string): boolean {
  if (folder === '/') return true;
  return `${path}/`.startsWith(folder) && !hiddenStep.test(path);
}
