import assert from 'node:assert/strict';
import { mkdir, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ConfigError } from '../../src/config/config-fault.js';
import { parseServerConfig } from '../../src/config/parse-server-config.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** Two instances, with a disk storage each, and an action cache. */
const twoStores = (first: string, second: string, cache = '/elsewhere'): string => `server:
  - !channel {port: 1}
instances:
  - name: a
    services:
      - !cas {storage: !disk-storage {path: '${first}'}}
      - !action-cache {storage: !lru-storage {size: 1M}, path: '${cache}'}
  - name: b
    services:
      - !cas {storage: !disk-storage {path: '${second}'}}
`;

function faultsOf(text: string): readonly string[] {
  try {
    parseServerConfig(text, 'bgd.yml', {});
    return [];
  } catch (reason) {
    assert.ok(reason instanceof ConfigError, String(reason));
    return reason.message.split('\n');
  }
}

describe('Stores of a configuration', () => {
  it('may lie side by side, also where one name begins like another', () => {
    assert.deepEqual(faultsOf(twoStores('/data/cas', '/data/cas-2', '/data/ca')), []);
  });

  it('may not be in one folder: both places are named', () => {
    assert.deepEqual(faultsOf(twoStores('/data/cas', '/data/cas')), [
      'bgd.yml:10:45: instances[1].services[0].storage.path: "/data/cas" is the same place as "/data/cas" at 6:45: each store wants a folder of its own',
    ]);
  });

  it('may not be in one folder that is spelt in different ways', () => {
    const spellings = ['/data/../data/cas', '/data//cas/', relative(process.cwd(), '/data/cas')];

    for (const spelling of spellings) assert.match(faultsOf(twoStores('/data/cas', spelling)).join(), /same place/);
  });

  it('may not lie within each other, whichever comes first', () => {
    const [inner] = faultsOf(twoStores('/data/cas', '/other', '/data/cas/results'));
    const [outer] = faultsOf(twoStores('/data/cas/deep/down', '/data'));

    assert.match(inner ?? '', /^bgd.yml:7:\d+: .*"\/data\/cas\/results" lies within "\/data\/cas" at 6:45/);
    assert.match(outer ?? '', /^bgd.yml:10:45: .*"\/data" contains "\/data\/cas\/deep\/down" at 6:45/);
  });

  it('may not meet behind symbolic links, also where the folders are not there yet', async () => {
    await using folder = await temporaryDirectory();
    await mkdir(join(folder.path, 'disk'));
    await symlink('disk', join(folder.path, 'link'));

    const [fault] = faultsOf(twoStores(join(folder.path, 'disk/new/cas'), join(folder.path, 'link/new/cas')));

    assert.match(fault ?? '', /link\/new\/cas" is the same place as "[^"]*disk\/new\/cas" at 6:45/);
  });

  it('may be named in many places by an anchor', () => {
    const text = `server:
  - !channel {port: 1}
instances:
  - name: a
    storages: [!disk-storage &cas {path: /data/cas}]
    services: [!cas {storage: *cas}, !bytestream {storage: *cas}, !action-cache {storage: *cas, path: /data/ac}]
  - name: b
    services: [!cas {storage: *cas}]
`;

    assert.deepEqual(faultsOf(text), []);
  });

  it('may not have their database of jobs in one file, or in the folder of a store', () => {
    const execution = (name: string, file: string): string => `  - name: ${name}
    services: [!execution {storage: *cas, data-store: !sql-data-store {connection-string: 'sqlite:///${file}'}}]
`;
    const head = `server:
  - !channel {port: 1}
instances:
  - name: a
    services: [!cas {storage: !disk-storage &cas {path: /data/cas}}]
`;

    const [twice] = faultsOf(head + execution('b', '/data/jobs.db') + execution('c', '/data/./jobs.db'));
    const [within] = faultsOf(head + execution('b', '/data/cas/jobs.db'));

    assert.match(twice ?? '', /"\/data\/\.\/jobs.db" is the same place as "\/data\/jobs.db" at 7:\d+: name one anchor/);
    assert.match(within ?? '', /"\/data\/cas\/jobs.db" lies within "\/data\/cas" at 5:\d+/);
    assert.deepEqual(faultsOf(head + execution('b', '/data/jobs.db') + execution('c', '/data/more.db')), []);
  });

  it('may share a database of different tables', () => {
    const text = `server:
  - !channel {port: 1}
instances:
  - name: a
    services:
      - !cas {storage: !sql-index &cas {storage: !lru-storage {size: 1M}, connection-string: 'sqlite:////data/bgd.db'}}
      - !execution {storage: *cas, data-store: !sql-data-store {connection-string: 'sqlite:////data/bgd.db'}}
`;

    assert.deepEqual(faultsOf(text), []);
  });
});
