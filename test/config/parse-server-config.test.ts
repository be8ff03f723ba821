import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { ConfigError } from '../../src/config/config-fault.js';
import { parseServerConfig } from '../../src/config/parse-server-config.js';
import { isReadOnly } from '../../src/config/server-config.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const environment = {
  HOME: '/home/me',
  BGD_DATA_DIR: '/data',
  BGD_STORAGE_URL: 'grpc://localhost:50052',
  BGD_FIRST_URL: 'grpc://first.example.org',
  BGD_SECOND_URL: 'grpc://second.example.org',
  BGD_SHARD_A_URL: 'grpc://a.example.org',
  BGD_SHARD_B_URL: 'grpc://b.example.org',
  BGD_S3_ENDPOINT: 'https://s3.example.org',
  BGD_S3_BUCKET: 'blobs',
  BGD_REDIS_HOST: 'redis.example.org',
  BGD_REDIS_PORT: '6379',
};

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
      - !cas {storage: !floppy-storage {drive: a}}
`);

    assert.match(
      faults,
      /^bgd\.yml:6:24: !floppy-storage is not supported yet; supported are .*!lru-storage, .*!channel, .*!expand-path, !read-file$/,
    );
  });

  it('takes storages that are parts of others, and finds faults deep inside', () => {
    const faults = faultsOf(`${head}  - name: ''
    services:
      - !cas
        storage: !with-cache-storage
          cache: !lru-storage {size: 1M}
          fallback: !split-storage
            small: !lru-storage {size: 1M}
            large: !sharded-storage
              shards:
                - {name: a, storage: !lru-storage {size: 1M, pth: b}}
                - {name: b, wieght: 2, storage: !lru-storage {size: 1M}}
`);

    const [misspelt, unknown, ...others] = faults.split('\n');
    assert.match(misspelt!, /^bgd\.yml:13:\d+: Unknown key "pth"\. Known here: size$/);
    assert.match(unknown!, /^bgd\.yml:14:\d+: Unknown key "wieght"; did you mean "weight"\?/);
    assert.deepEqual(others, []);
  });

  it('refuses a mirror of one storage, and shards of one name', () => {
    const faults = faultsOf(`${head}  - name: ''
    services:
      - !cas {storage: !mirrored-storage {first: !lru-storage &one {size: 1M}, second: *one}}
  - name: b
    services:
      - !cas
        storage: !sharded-storage
          shards: [{name: a, storage: !lru-storage {size: 1M}}, {name: a, storage: !lru-storage {size: 1M}}]
`);

    assert.match(faults, /first and second want two storages, not one anchor/);
    assert.match(faults, /shards\[1\]\.name: "a" is there already/);
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

  it('refuses a cache that would keep nothing', () => {
    const faults = faultsOf(`${head}  - name: ''
    services:
      - !action-cache {storage: !lru-storage {size: 1M}, max-cached-refs: 0}
`);

    assert.match(faults, /max-cached-refs: at least 1 is wanted/);
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

  describe('for S3 and Redis', () => {
    const withServices = (...services: string[]): string =>
      `${head}  - name: ''\n    services:\n${services.map((each) => `      - ${each}\n`).join('')}`;

    it("takes BuildGrid's form of !s3-storage, with keys from files", async () => {
      await using folder = await temporaryDirectory();
      await writeFile(`${folder.path}/secret`, 'a secret\n\n');

      const config = parse(
        withServices(
          '!cas {storage: !s3-storage {bucket: "b-{digest[0]}{digest[1]}", endpoint: "http://s3:9000",' +
            ` access_key: key, secret_key: !read-file ${folder.path}/secret}}`,
        ),
      );

      const [cas] = config.instances[0]!.services;
      assert.ok(cas?.type === 'cas' && cas.storage.type === 's3-storage');
      assert.equal(cas.storage.bucket, 'b-{digest[0]}{digest[1]}');
      assert.equal(cas.storage.secretKey, 'a secret');
    });

    it('names the file that !read-file cannot read, with its place', () => {
      const faults = faultsOf(withServices('!cas {storage: !redis-storage {password: !read-file $HOME/no-such-file}}'));

      assert.match(faults, /^bgd\.yml:6:\d+: !read-file cannot read "\/home\/me\/no-such-file": ENOENT/);
    });

    it('wants both keys or none, a URL, and a bucket', () => {
      const faults = faultsOf(
        withServices('!cas {storage: !s3-storage {bucket: "{hash}", endpoint: s3.example.org, access-key: key}}'),
      );

      assert.match(faults, /bucket: a bucket is wanted, or a template such as bucket-\{digest\[0\]\}\{digest\[1\]\}/);
      assert.match(faults, /endpoint: a URL is wanted/);
      assert.match(
        faultsOf(withServices('!cas {storage: !s3-storage {bucket: b, secret-key: key}}')),
        /storage: access-key and secret-key are wanted both, or neither/,
      );
    });

    it('refuses an action cache in a bucket of blobs, whichever the template makes', () => {
      const blobs = '!cas {storage: !s3-storage &cas {bucket: "b-{digest[0]}", endpoint: "http://s3:9000"}}';
      const results = (bucket: string): string =>
        withServices(blobs, `!s3action-cache {storage: *cas, bucket: ${bucket}, endpoint: "http://s3:9000"}`);

      assert.match(faultsOf(results('b-7')), /^bgd\.yml:7:\d+: .*bucket: "b-7" also holds blobs/);
      assert.equal(parse(results('results')).instances.length, 1);
    });

    it('refuses results in two places', () => {
      const faults = faultsOf(
        withServices(
          '!action-cache {storage: !lru-storage {size: 1M}, path: /a, store: !redis-storage {host: a, port: 1}}',
        ),
      );

      assert.match(faults, /path or store is wanted, not both/);
    });

    it('takes the port of Redis as a text, and refuses one that is none', () => {
      const redis = (port: string): string => withServices(`!cas {storage: !redis-storage {host: a, port: ${port}}}`);

      const [cas] = parse(redis('!expand-path $BGD_REDIS_PORT')).instances[0]!.services;
      assert.ok(cas?.type === 'cas' && cas.storage.type === 'redis-storage');
      assert.equal(cas.storage.port, 6379);
      assert.match(faultsOf(redis('!expand-path $NO_SUCH_PORT')), /storage\.port: /);
      assert.match(faultsOf(redis('70000')), /storage\.port: /);
    });
  });

  it('takes the size of the largest blob that an instance takes', () => {
    const text = (maxBlobSize: string): string => `${head}  - name: a
    max-blob-size: ${maxBlobSize}
    services: [!cas {storage: !lru-storage {size: 1M}}]
`;

    assert.equal(parse(text('2G')).instances[0]?.maxBlobSize, 2 * 1024 ** 3);
    assert.match(faultsOf(text('0')), /max-blob-size: at least 1 byte is wanted/);
  });

  it('takes read-only of an instance, and of its services as BuildGrid has it', () => {
    const config = parse(`${head}  - name: a
    read-only: true
    services: [!cas {storage: !lru-storage &cas {size: 1M}}, !bytestream {storage: *cas}]
  - name: b
    services: [!cas {storage: *cas, read-only: true}, !bytestream {storage: *cas, read-only: true}]
  - name: c
    services: [!cas {storage: *cas}, !bytestream {storage: *cas, read-only: false}]
`);

    assert.deepEqual(config.instances.map(isReadOnly), [true, true, false]);
  });

  it('refuses to make half of an instance read-only, or one that executes', () => {
    const text = faultsOf(`${head}  - name: a
    services: [!cas {storage: !lru-storage &cas {size: 1M}, read-only: true}, !bytestream {storage: *cas}]
  - name: b
    read-only: true
    services: [!cas {storage: *cas}, !execution {storage: *cas}]
`);

    assert.match(text, /^bgd.yml:5:15: instances\[0\].services: !cas and !bytestream are read-only both, or neither$/m);
    assert.match(text, /^bgd.yml:6:5: instances\[1\]: a read-only instance cannot execute/m);
  });
});
