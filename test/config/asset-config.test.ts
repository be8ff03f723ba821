import assert from 'node:assert/strict';
import type { AssetCacheConfig } from '../../src/config/asset-config.js';
import { parseServerConfig } from '../../src/config/parse-server-config.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';

function serviceOf(service: string) {
  const text = `server: [!channel {port: 1}]\ninstances:\n  - {name: '', services: [${service}]}\n`;
  return parseServerConfig(text, 'bgd.yml', {}).instances[0]?.services[0];
}

function fetchOf(fetch: string): NonNullable<AssetCacheConfig['fetch']> {
  const service = serviceOf(`!asset-cache {storage: !lru-storage {size: 1M}, fetch: ${fetch}}`);
  assert.ok(service?.type === 'asset-cache' && service.fetch);
  return service.fetch;
}

describe('The configuration of names for content', () => {
  it('lets clients push, and fetches nothing, unless it says otherwise', () => {
    const service = serviceOf('!asset-cache {storage: !lru-storage {size: 1M}}');

    assert.ok(service?.type === 'asset-cache');
    assert.equal(service.allowUpdates, true);
    assert.equal(service.fetch, undefined);
  });

  it("takes BuildGrid's keys of !reference-cache", () => {
    const service = serviceOf(
      '!reference-cache {storage: !lru-storage {size: 1M}, max-cached-refs: 512, allow-updates: false}',
    );

    assert.ok(service?.type === 'reference-cache');
    assert.equal(service.maxCachedRefs, 512);
    assert.equal(service.allowUpdates, false);
  });

  it('bounds what it fetches by 1 GiB and ten minutes', () => {
    assert.deepEqual(fetchOf('{allow: [example.org]}'), {
      allow: ['example.org'],
      privateNetworks: [],
      maxSize: 1024 ** 3,
      timeout: 600,
    });
  });

  for (const allow of [
    'example.org',
    'example.org:8443',
    'https://example.org',
    'http://10.1.2.3:8080/mirror/',
    'https://[2001:db8::1]/',
  ]) {
    it(`allows ${allow}`, () => {
      assert.deepEqual(fetchOf(`{allow: ['${allow}']}`).allow, [allow]);
    });
  }

  for (const fetch of [
    '{allow: []}',
    "{allow: ['']}",
    "{allow: ['ftp://example.org']}",
    "{allow: ['https://']}",
    "{allow: ['https://user:secret@example.org/']}",
    "{allow: ['https://example.org/?query']}",
    "{allow: ['https://example.org/#part']}",
    "{allow: ['*.example.org']}",
    "{allow: [example.org], private-networks: ['10.0.0.0/33']}",
    "{allow: [example.org], private-networks: ['10.0.0']}",
    "{allow: [example.org], private-networks: ['::1/129']}",
    "{allow: [example.org], private-networks: ['10.0.0.0/8/8']}",
    "{allow: [example.org], private-networks: ['intranet']}",
    '{allow: [example.org], timeout: 0}',
    '{allow: [example.org], timeout: 100000000}',
    '{allow: [example.org], max-size: lots}',
  ]) {
    it(`refuses fetch: ${fetch}`, () => {
      assert.throws(
        () => fetchOf(fetch),
        (reason) =>
          reason instanceof StatusError &&
          reason.code === Code.InvalidArgument &&
          reason.message.startsWith('bgd.yml:3:'),
      );
    });
  }

  it('refuses two places for names, and a cache of none', () => {
    for (const service of [
      '!asset-cache {storage: !lru-storage &cas {size: 1M}, path: /a, store: !redis-storage {host: h, port: 1}}',
      '!reference-cache {storage: !lru-storage {size: 1M}, path: /a, store: !redis-storage {host: h, port: 1}}',
      '!reference-cache {storage: !lru-storage {size: 1M}, max-cached-refs: 0}',
    ]) {
      assert.throws(() => serviceOf(service), /bgd\.yml:3:/);
    }
  });
});
