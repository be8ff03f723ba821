import { lookup } from 'node:dns/promises';
import { BlockList, type LookupFunction, isIP } from 'node:net';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';

/** Networks that are not of the public internet: what answers there was not meant for clients of this server. */
const privateNetworks = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2002::/16',
  'fc00::/7',
  'fe80::/9',
  'ff00::/8',
];

/** Keeps the server from being sent to addresses of private networks, by name or as they are, unless they are listed. */
export class AddressGuard {
  readonly #private = blockListOf(privateNetworks);
  readonly #permitted: BlockList;

  /** `permitted` are networks such as `10.1.0.0/16`, or single addresses. */
  constructor(permitted: readonly string[]) {
    this.#permitted = blockListOf(permitted);
  }

  /** Whether `address` may be connected to. */
  permits(address: string): boolean {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    return this.#permitted.check(address, family) || !this.#private.check(address, family);
  }

  /** For `net.connect` and whoever calls it: finds the addresses of a name, of which only those that are permitted count. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }).then(
      (all) => {
        const permitted = all.filter(({ address }) => this.permits(address));
        const [first] = permitted;
        if (!first) callback(privateAddress(hostname) as Error, '');
        else if (options.all === true) callback(null, permitted);
        else callback(null, first.address, first.family);
      },
      (reason: unknown) => callback(reason as Error, ''),
    );
  };
}

/** A host that has only addresses of private networks. */
function privateAddress(hostname: string): StatusError {
  return new StatusError(
    Code.PermissionDenied,
    `${JSON.stringify(hostname)} is in a private network, which the server may not fetch from`,
  );
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
