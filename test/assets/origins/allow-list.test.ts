import assert from 'node:assert/strict';
import { AllowList } from '../../../src/assets/origins/allow-list.js';

describe('AllowList', () => {
  const permits = (entries: readonly string[], url: string): boolean => new AllowList(entries).permits(new URL(url));

  for (const [entry, url] of [
    ['example.org', 'https://example.org/any/path?and=query'],
    ['example.org', 'https://EXAMPLE.org:443/'],
    ['example.org:8443', 'https://example.org:8443/path'],
    ['https://example.org', 'https://example.org/path'],
    ['https://example.org/mirror', 'https://example.org/mirror'],
    ['https://example.org/mirror', 'https://example.org/mirror/file'],
    ['https://example.org/mirror/', 'https://example.org/mirror/file'],
    ['http://example.org/', 'http://example.org/file'],
    ['https://[2001:db8::1]/', 'https://[2001:DB8::1]/file'],
  ] as const) {
    it(`${entry} permits ${url}`, () => {
      assert.ok(permits([entry], url));
    });
  }

  for (const [entry, url] of [
    ['example.org', 'http://example.org/'],
    ['example.org', 'https://example.org:8443/'],
    ['example.org', 'https://www.example.org/'],
    ['example.org', 'https://example.org.evil.com/'],
    ['example.org', 'https://example.org@evil.com/'],
    ['example.org', 'https://user:secret@example.org/'],
    ['example.org', 'ftp://example.org/'],
    ['example.org', 'file:///etc/passwd'],
    ['http://example.org', 'https://example.org/'],
    ['https://example.org/mirror', 'https://example.org/mirrors/file'],
    ['https://example.org/mirror', 'https://example.org/other/file'],
    ['https://example.org/mirror', 'https://example.org/mirror/../other'],
    ['https://example.org/mirror', 'https://example.org/mirror/%2e%2e/other'],
    ['https://example.org/mirror', 'https://example.org/mirror/..%2fother'],
    ['https://example.org/mirror', 'https://example.org/mirror/..%5Cother'],
    ['https://example.org/mirror', 'https://example.org/?/mirror/file'],
  ] as const) {
    it(`${entry} does not permit ${url}`, () => {
      assert.ok(!permits([entry], url));
    });
  }

  it('permits what any of its entries does', () => {
    const entries = ['one.example', 'two.example'];

    assert.ok(permits(entries, 'https://two.example/'));
    assert.ok(!permits(entries, 'https://three.example/'));
  });
});
