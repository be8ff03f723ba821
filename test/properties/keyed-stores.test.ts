import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { DiskKeyedStore } from '../../src/keyedstore/backends/disk-keyed-store.js';
import { SqlKeyedStore } from '../../src/keyedstore/backends/sql-keyed-store.js';
import type { KeyedStore } from '../../src/keyedstore/keyed-store.js';
import { SqliteDatabase } from '../../src/sql/sqlite-database.js';
import { checkOver, times } from '../helpers/chance.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import type { Damage } from './blob-steps.js';
import { spoil } from './spoil.js';

const keys = ['', 'a', 'A', 'a/b', '../a', 'a\0', 'é', 'k'.repeat(1024)] as const;

type Operation =
  | { readonly kind: 'put'; readonly key: number; readonly size: number; readonly livesMs?: number | undefined }
  | { readonly kind: 'get' | 'delete'; readonly key: number };

type Step =
  | { readonly kind: 'together'; readonly operations: readonly Operation[] }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'restart'; readonly damage: readonly Damage[] };

const key = fc.nat(keys.length - 1);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('get' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      key,
      size: fc.constantFrom(0, 1, 100, 20_000),
      livesMs: fc.constantFrom(undefined, undefined, 1_000, 60_000),
    }),
  },
);
const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('flip' as const, 'truncate' as const, 'remove' as const),
  file: fc.nat(100).map((percent) => percent / 100),
  place: fc.nat(100).map((percent) => percent / 100),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('together' as const),
      operations: fc.oneof(fc.tuple(operation), fc.array(operation, { minLength: 2, maxLength: 6 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(999, 1_000, 60_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      damage: fc.oneof(fc.constant([]), fc.array(damage, { maxLength: 2 })),
    }),
  },
);

/** What a key may have: a value until a moment, or nothing. */
type Possible = { readonly value: string; readonly untilMs: number } | undefined;

interface Opened extends AsyncDisposable {
  readonly store: KeyedStore;
}

interface Kind {
  open(folder: string, clock: FakeClock): Promise<Opened>;
  /** Whether its files may be damaged: of a damaged value nothing is left. */
  readonly isFragile: boolean;
}

/** A store, and what may be in it after all that has happened. */
class KeyedWorld implements AsyncDisposable {
  readonly #kind: Kind;
  readonly #folder: string;
  readonly #clock = new FakeClock();
  readonly #possible: Possible[][] = keys.map(() => [undefined]);
  #opened: Opened | undefined;
  #puts = 0;

  constructor(kind: Kind, folder: string) {
    this.#kind = kind;
    this.#folder = folder;
  }

  async take(each: Step): Promise<void> {
    this.#opened ??= await this.#kind.open(this.#folder, this.#clock);
    if (each.kind === 'together') await this.#together(each.operations);
    else if (each.kind === 'pass') this.#clock.advance(each.ms);
    else await this.#restart(each.damage);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened?.[Symbol.asyncDispose]();
  }

  async #together(operations: readonly Operation[]): Promise<void> {
    const outcomes = new Map<Operation, Possible>();
    for (const each of operations) if (each.kind !== 'get') outcomes.set(each, this.#outcomeOf(each));
    const before = this.#possible.map((each) => [...each]);
    for (const [{ key: at }, outcome] of outcomes) before[at]!.push(outcome);

    await Promise.all(
      operations.map(async (each) => {
        if (each.kind === 'get') this.#check(each.key, await this.#store.get(keys[each.key]!), before[each.key]!);
        else await this.#change(each, outcomes.get(each));
      }),
    );

    for (const at of keys.keys()) {
      const last = [...outcomes].filter(([each]) => each.key === at).map(([, outcome]) => outcome);
      if (last.length > 0) this.#possible[at] = last;
    }
    const [only] = operations;
    if (operations.length === 1 && only) await this.#look(only.key);
  }

  /** After one operation alone it is known what there is. */
  async #look(at: number): Promise<void> {
    const found = await this.#store.get(keys[at]!);
    this.#check(at, found, this.#possible[at]!);
    this.#possible[at] = this.#possible[at]!.filter((each) => valueAt(each, this.#clock.now()) === found?.toString());
  }

  #outcomeOf(each: Operation): Possible {
    if (each.kind !== 'put') return undefined;
    this.#puts += 1;
    const value = each.size === 0 ? '' : `${this.#puts} `.padEnd(each.size, '.');
    return { value, untilMs: this.#clock.now() + (each.livesMs ?? Infinity) };
  }

  async #change(each: Operation, outcome: Possible): Promise<void> {
    if (!outcome) return this.#store.delete(keys[each.key]!);
    const options = outcome.untilMs === Infinity ? {} : { expiresAtMs: outcome.untilMs };
    return this.#store.put(keys[each.key]!, Buffer.from(outcome.value), options);
  }

  #check(at: number, found: Buffer | undefined, possible: readonly Possible[]): void {
    const values = possible.map((each) => valueAt(each, this.#clock.now()));
    assert.ok(values.includes(found?.toString()), `Key ${at} has ${String(found?.subarray(0, 20))}`);
  }

  async #restart(damaged: readonly Damage[]): Promise<void> {
    await this.#opened?.[Symbol.asyncDispose]();
    this.#opened = undefined;
    if (!this.#kind.isFragile) return;
    for (const each of damaged) await spoil(this.#folder, ['.'], each);
    if (damaged.length > 0) for (const possible of this.#possible) possible.push(undefined);
  }

  get #store(): KeyedStore {
    return this.#opened!.store;
  }
}

function valueAt(possible: Possible, now: number): string | undefined {
  return possible && possible.untilMs > now ? possible.value : undefined;
}

const kinds: Readonly<Record<string, Kind>> = {
  DiskKeyedStore: {
    isFragile: true,
    open: async (path, clock) => {
      const store = await DiskKeyedStore.open({ path, clock });
      return { store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
    },
  },
  SqlKeyedStore: {
    isFragile: false,
    open: async (folder, clock) => {
      const lifecycle = new Lifecycle();
      const database = lifecycle.use(await SqliteDatabase.open({ path: join(folder, 'values.db') }));
      const store = lifecycle.use(await SqlKeyedStore.open({ database, clock }));
      return { store, [Symbol.asyncDispose]: () => lifecycle[Symbol.asyncDispose]() };
    },
  },
};

describe('Whatever happens to a KeyedStore', function () {
  this.timeout(times(120_000, 3_600_000));

  for (const [name, kind] of Object.entries(kinds)) {
    it(`${name} has the value that was put last, until it expires, and never another (D1, D2)`, () =>
      checkOver(times(500, 10_000), (onStep) =>
        fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }), async (steps) => {
          await using folder = await temporaryDirectory();
          await using world = new KeyedWorld(kind, folder.path);
          for (const each of steps) {
            await world.take(each);
            onStep();
          }
        }),
      ));
  }
});
