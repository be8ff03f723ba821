import { createHash } from 'node:crypto';
import type { Digest } from '../../digest/digest.js';
import type { BlobStore } from '../blob-store.js';
import { type Route, RoutingBlobStore } from './routing-blob-store.js';

/** A store that takes a share of the blobs. */
export interface Shard {
  /** Says, with the weight, which blobs are its own: it must stay the same for as long as the store is in use. */
  readonly name: string;
  /** Its share, relative to the weights of the others; above 0. */
  readonly weight: number;
  readonly store: BlobStore;
}

interface ShardRoute extends Route {
  readonly weight: number;
  readonly seed: number;
}

/**
 * Spreads blobs over shards by weighted rendezvous hashing: each shard draws a number from its name and the hash of the
 * blob, and the highest one wins. Shards may stand in any order; adding one moves only the blobs that it wins, and taking
 * one away only its own.
 */
export class ShardingBlobStore extends RoutingBlobStore {
  readonly #first: ShardRoute;
  readonly #shards: readonly ShardRoute[];

  /** At least one shard is wanted. */
  constructor(shards: readonly Shard[]) {
    super();
    this.#shards = shards.map(routeTo);
    const [first] = this.#shards;
    if (!first) throw new TypeError('Blobs cannot be spread over no shards');
    this.#first = first;
  }

  protected override routeOf({ hash }: Digest): Route {
    const high = Number.parseInt(hash.slice(0, 8), 16);
    const low = Number.parseInt(hash.slice(8, 16), 16);
    let winner = this.#first;
    let best = -Infinity;
    for (const shard of this.#shards) {
      const score = scoreOf(shard, high, low);
      if (score <= best) continue;
      best = score;
      winner = shard;
    }
    return winner;
  }
}

function routeTo({ name, weight, store }: Shard): ShardRoute {
  const seed = createHash('sha256').update(name).digest().readUInt32BE();
  return { name: `shard ${JSON.stringify(name)}`, store, weight, seed };
}

/** `weight / -ln(u)` for u evenly spread over (0, 1): the chance to have the highest is proportional to the weight. */
function scoreOf({ seed, weight }: ShardRoute, high: number, low: number): number {
  const u = (mixed(mixed(high ^ seed) ^ low) + 0.5) / 2 ** 32;
  return weight / -Math.log(u);
}

/** The finalizer of MurmurHash3: each bit of its input changes half of the bits of its output. */
function mixed(bits: number): number {
  let h = bits;
  h = Math.imul(h ^ (h >>> 16), 0x85_eb_ca_6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2_b2_ae_35);
  return (h ^ (h >>> 16)) >>> 0;
}
