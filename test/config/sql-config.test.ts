import assert from 'node:assert/strict';
import { ConfigError } from '../../src/config/config-fault.js';
import { parseServerConfig } from '../../src/config/parse-server-config.js';
import type { ServerConfig } from '../../src/config/server-config.js';

const head = 'server: [!channel {port: 1}]\ninstances:\n';

const parse = (text: string): ServerConfig => parseServerConfig(text, 'bgd.yml', {});

function faultsOf(text: string): string {
  try {
    parse(text);
  } catch (reason) {
    assert.ok(reason instanceof ConfigError, String(reason));
    return reason.message;
  }
  return assert.fail('no fault was found');
}

describe('The configuration of what is in SQL', () => {
  const withStorage = (...storages: string[]): string =>
    `${head}${storages.map((each, index) => `  - {name: i${index}, services: [!cas {storage: ${each}}]}\n`).join('')}`;
  const index = (keys: string, storage = '!lru-storage {size: 1M}'): string =>
    `!sql-index {${keys}, storage: ${storage}}`;

  it("takes BuildGrid's keys of !sql-index", () => {
    const keys =
      'connection_string: "postgresql+psycopg2://bgd@db/bgd", automigrate: true, window_size: 500, inclause_limit: -1,' +
      ' fallback_on_get: true, pool_size: 5, max_overflow: 10, pool_timeout: 30';

    const [cas] = parse(withStorage(index(keys))).instances[0]!.services;

    assert.ok(cas?.type === 'cas' && cas.storage.type === 'sql-index');
    assert.deepEqual([cas.storage.windowSize, cas.storage.fallbackOnGet], [500, true]);
    assert.deepEqual([cas.storage.poolSize, cas.storage.maxOverflow, cas.storage.poolTimeout], [5, 10, 30]);
  });

  it('says where to put what belongs elsewhere', () => {
    const faults = faultsOf(
      withStorage(
        index('connection-string: "sqlite:///f.db", connect-args: {sslmode: require}, max-inline-blob-size: 256'),
      ),
    );

    assert.match(faults, /connect-args: they belong into connection-string, such as postgresql:/);
    assert.match(faults, /max-inline-blob-size: blobs are kept in storage only/);
  });

  it('refuses one database for the indexes of two storages, but not for one index in two places', () => {
    const keys = 'connection-string: "sqlite:///f.db"';

    const faults = faultsOf(withStorage(index(keys), index(keys)));

    assert.match(
      faults,
      /^bgd\.yml:4:\d+: .*connection-string: this database has the index of another storage already/,
    );
    const shared = withStorage(index(keys).replace('!sql-index', '!sql-index &index'), '*index');
    assert.equal(parse(shared).instances.length, 2);
  });

  it('takes !sql-storage for action results, and not for blobs', () => {
    const storage = '!sql-storage {connection-string: "postgresql://db/bgd", ttl: 3600}';

    const config = parse(
      `${head}  - {name: '', services: [!action-cache {storage: !lru-storage {size: 1M}, store: ${storage}}]}\n`,
    );

    assert.equal(config.instances[0]!.services[0]!.type, 'action-cache');
    assert.match(faultsOf(withStorage(storage)), /storage: one of these tags is wanted here: .*!sql-index/);
  });

  const withDataStore = (dataStore: string): string =>
    `${head}  - {name: '', services: [!execution {storage: !lru-storage {size: 1M}, data-store: ${dataStore}}]}\n`;

  const dataStoreOf = (text: string) => {
    const [service] = parse(text).instances[0]!.services;
    assert.ok(service?.type === 'execution');
    return service.dataStore;
  };

  it("takes BuildGrid's keys of !sql-data-store", () => {
    const keys =
      'storage: !lru-storage {size: 1M}, connection_string: "postgresql://bgd@db/bgd", automigrate: true,' +
      ' pool_size: 5, max_overflow: 10, pool_timeout: 30';

    const store = dataStoreOf(withDataStore(`!sql-data-store {${keys}}`));

    assert.ok(store?.type === 'sql-data-store');
    assert.deepEqual([store.poolSize, store.maxOverflow, store.poolTimeout], [5, 10, 30]);
    assert.match(
      faultsOf(withDataStore('!sql-data-store {connection-string: "sqlite:///f.db", connect-args: {timeout: 5}}')),
      /connect-args: they belong into connection-string/,
    );
  });

  it('takes a data store without a tag, whose type says what it is', () => {
    const sql = dataStoreOf(withDataStore('{type: sql, connection_string: "sqlite:///f.db", automigrate: false}'));
    const memory = dataStoreOf(withDataStore('{type: mem}'));

    assert.ok(sql?.type === 'sql-data-store');
    assert.deepEqual([sql.connectionString, sql.automigrate], ['sqlite:///f.db', false]);
    assert.equal(memory?.type, 'memory-data-store');
    assert.match(faultsOf(withDataStore('{type: sql}')), /data-store\.connection-string: is missing/);
    assert.match(faultsOf(withDataStore('{type: pickle}')), /one of these tags is wanted here: .*!sql-data-store/);
  });

  it('has one store for a data store without a tag that is named twice', () => {
    const execution = (dataStore: string): string =>
      `[!execution {storage: !lru-storage {size: 1M}, data-store: ${dataStore}}]`;
    const plain = '{type: sql, connection-string: "sqlite:///f.db"}';

    const config = parse(
      `${head}  - {name: a, services: ${execution(`&jobs ${plain}`)}}\n  - {name: b, services: ${execution('*jobs')}}\n`,
    );

    const nodes = config.instances.map(({ services: [each] }) => each?.type === 'execution' && each.dataStore?.node);
    assert.equal(nodes[0], nodes[1]);
  });
});
