import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { parseEndpoint } from '../../src/client/endpoint.js';
import { hasCode } from '../helpers/has-code.js';

describe('parseEndpoint', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['grpc://localhost:8980', 'localhost:8980', false],
    ['http://localhost:8980', 'localhost:8980', false],
    ['grpcs://cas.example.com:443', 'cas.example.com:443', true],
    ['https://cas.example.com', 'cas.example.com:50051', true],
    ['grpc://127.0.0.1', '127.0.0.1:50051', false],
    ['GRPC://[::1]:1', '[::1]:1', false],
    ['http://localhost:1/ignored/path', 'localhost:1', false],
    ['unix:/run/bgd.sock', 'unix:/run/bgd.sock', false],
    ['unix:///run/bgd.sock', 'unix:/run/bgd.sock', false],
    ['unix:relative.sock', 'unix:relative.sock', false],
  ];

  for (const [url, target, isSecure] of cases) {
    it(`reads ${url} as ${target}${isSecure ? ' through TLS' : ''}`, () => {
      const endpoint = parseEndpoint(url);

      assert.deepEqual([endpoint.url, endpoint.target, endpoint.isSecure], [url, target, isSecure]);
    });
  }

  it('tells what stays on this machine from what others could read', () => {
    const isLocal = (url: string): boolean => parseEndpoint(url).isLocal;

    assert.ok(
      ['grpc://localhost', 'http://127.9.9.9:1', 'grpc://[::1]', 'grpc://[0:0:0::0:1]', 'unix:s'].every(isLocal),
    );
    assert.ok(
      !['grpc://localhost.example', 'grpc://10.0.0.1', 'grpc://[::2]', 'http://127.0.0.1.nip.io'].some(isLocal),
    );
  });

  for (const url of [
    'ftp://localhost:1',
    'localhost:50051',
    'grpc://',
    'grpc://:1',
    'grpc://a b:1',
    'unix:',
    '',
    '//x:1',
  ]) {
    it(`refuses ${JSON.stringify(url)}, saying which URLs are wanted`, () => {
      assert.throws(() => parseEndpoint(url), hasCode(Code.InvalidArgument));
      assert.throws(() => parseEndpoint(url), /is not the URL of a server: (grpc:\/\/HOST:PORT|unix:PATH).* wanted/);
    });
  }

  for (const port of ['0', '65536', 'http', '', '-1', '123456']) {
    it(`refuses the port ${JSON.stringify(port)}`, () => {
      assert.throws(() => parseEndpoint(`grpc://localhost:${port}`), /a port from 1 to 65535 is wanted/);
    });
  }
});
