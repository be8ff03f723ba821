import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { ConfigError } from '../../src/config/config-fault.js';
import { parseServerConfig } from '../../src/config/parse-server-config.js';

const environment = { HOME: '/home/me', BGD_DATA_DIR: '/data', BGD_STORAGE_URL: 'grpc://localhost:50052' };

function parse(text: string): ReturnType<typeof parseServerConfig> {
  return parseServerConfig(text, 'bgd.yml', environment);
}

function faultsOf(text: string): string {
  try {
    parse(text);
  } catch (reason) {
    assert.ok(reason instanceof ConfigError, String(reason));
    return reason.message;
  }
  return assert.fail('no fault was found');
}

const head = `server:
  - !channel {port: 1}
instances:
`;

describe('parseServerConfig', () => {
  for (const name of readdirSync('docs/examples').filter((file) => file.endsWith('.yml'))) {
    it(`takes docs/examples/${name}`, () => {
      const config = parse(readFileSync(`docs/examples/${name}`, 'utf8'));

      assert.ok(config.instances.length > 0);
    });
  }

  it('gives an alias the identity of its anchor', () => {
    const config = parse(`${head}  - name: ''
    services:
      - !cas {storage: !lru-storage &cas {size: 10K}}
      - !bytestream {storage: *cas}
      - !action-cache {storage: !lru-storage {size: 10K}}
`);

    const [cas, bytestream, actionCache] = config.instances[0]!.services;
    assert.ok(
      cas && 'storage' in cas && bytestream && 'storage' in bytestream && actionCache && 'storage' in actionCache,
    );
    assert.equal(bytestream.storage.node, cas.storage.node);
    assert.notEqual(actionCache.storage.node, cas.storage.node);
  });

  it('expands ~ and variables in !expand-path, and leaves unknown variables', () => {
    const config = parse(`${head}  - name: ''
    services:
      - !cas {storage: !disk-storage {path: !expand-path '~/a/$HOME/\${BGD_DATA_DIR}/$UNKNOWN'}}
`);

    const [cas] = config.instances[0]!.services;
    assert.ok(cas?.type === 'cas' && cas.storage.type === 'disk-storage');
    assert.equal(cas.storage.path, '/home/me/a//home/me//data/$UNKNOWN');
  });

  it('takes keys with underscores as those with dashes', () => {
    const config = parse(`${head}  - name: ''
    services:
      - !action-cache {storage: !lru-storage {size: 1M}, max_cached_refs: 7, allow_updates: false}
`);

    const [cache] = config.instances[0]!.services;
    assert.ok(cache?.type === 'action-cache');
    assert.equal(cache.maxCachedRefs, 7);
    assert.equal(cache.allowUpdates, false);
  });

  it('does not cache failed actions unless asked', () => {
    const config = parse(`${head}  - {name: '', services: [!action-cache {storage: !lru-storage {size: 1M}}]}\n`);

    const [cache] = config.instances[0]!.services;
    assert.ok(cache?.type === 'action-cache');
    assert.equal(cache.cacheFailedActions, false);
  });

  it('shows every fault at once, each with its place, in the order of the file', () => {
    const faults = faultsOf(`server:
  - !channel {port: 70000}
instances:
  - name: ''
    services:
      - !cas {storage: !disk-storage {pth: /a}}
      - !lru-storage {size: 10}
`);

    const lines = faults.split('\n');
    assert.match(lines[0]!, /^bgd\.yml:2:\d+: server\[0\]\.port: /);
    assert.match(lines[1]!, /^bgd\.yml:6:\d+: instances\[0\]\.services\[0\]\.storage\.path: is missing/);
    assert.match(lines[2]!, /^bgd\.yml:6:\d+: Unknown key "pth"; did you mean "path"\?/);
    assert.match(lines[3]!, /^bgd\.yml:7:\d+: instances\[0\]\.services\[1\]: one of these tags is wanted here: !cas, /);
    assert.equal(lines.length, 4);
  });

  it('says of a tag that is not there yet that it is not supported, and where it stands', () => {
    const faults = faultsOf(`${head}  - name: ''
    services:
      - !cas {storage: !s3-storage {bucket: b}}
`);

    assert.match(
      faults,
      /^bgd\.yml:6:24: !s3-storage is not supported yet; supported are !lru-storage, .*!channel, !expand-path$/,
    );
  });

  it('names the nearest key for a misspelt one at the top', () => {
    const faults = faultsOf(`servr: []\n${head}  - {name: '', services: [!cas {storage: !lru-storage {size: 1}}]}\n`);

    assert.match(faults, /^bgd\.yml:1:1: Unknown key "servr"; did you mean "server"\?/);
  });

  it('wants credentials where insecure-mode is false', () => {
    const faults = faultsOf(`server: [!channel {port: 1, insecure-mode: false}]
instances: [{name: '', services: [!cas {storage: !lru-storage {size: 1}}]}]
`);

    assert.match(faults, /credentials are wanted where insecure-mode is false/);
  });

  it('refuses two instances of one name, and two services of one kind', () => {
    const faults = faultsOf(`${head}  - name: a
    services:
      - !cas {storage: !lru-storage &cas {size: 10K}}
  - name: a
    services:
      - !action-cache {storage: *cas}
      - !remote-action-cache {url: 'grpc://b', instance-name: ''}
`);

    const [name, service, ...others] = faults.split('\n');
    assert.equal(name, 'bgd.yml:7:11: instances[1].name: "a" is there already');
    assert.equal(service, 'bgd.yml:10:9: instances[1].services[1]: an instance has one !remote-action-cache');
    assert.deepEqual(others, []);
  });

  it('wants !cas and !bytestream to share their storage', () => {
    const faults = faultsOf(`${head}  - name: ''
    services:
      - !cas {storage: !lru-storage {size: 10K}}
      - !bytestream {storage: !lru-storage {size: 10K}}
`);

    assert.match(faults, /^bgd\.yml:\d+:\d+: instances\[0\]\.services: !cas and !bytestream want the same storage/);
  });

  it('refuses text that is no YAML with the place of the fault', () => {
    assert.match(faultsOf('server: [\n'), /^bgd\.yml:\d+:\d+: /);
  });

  it('refuses an empty file', () => {
    assert.match(faultsOf(''), /^bgd\.yml/);
  });

  it('refuses an anchor that contains itself', () => {
    assert.match(faultsOf(`${head}  - &a\n    name: ''\n    services: [*a]\n`), /services\[0\]/);
  });

  it('refuses a size that is none', () => {
    const faults = faultsOf(`${head}  - {name: '', services: [!cas {storage: !lru-storage {size: 1.5G}}]}\n`);

    assert.match(faults, /"1\.5G" is not a size/);
  });
});
