import assert from 'node:assert/strict';
import { promisify } from 'node:util';
import { AddressGuard } from '../../../src/assets/origins/address-guard.js';
import { Code } from '../../../src/common/code.js';
import { hasCode } from '../../helpers/has-code.js';

describe('AddressGuard', () => {
  const guard = new AddressGuard([]);
  const lookup = promisify(
    guard.lookup as (name: string, options: object, done: (reason: Error | null) => void) => void,
  );

  for (const address of ['1.1.1.1', '8.8.8.8', '172.32.0.1', '192.169.0.1', '2606:4700:4700::1111', '::ffff:8.8.8.8']) {
    it(`permits ${address}, which is public`, () => {
      assert.ok(guard.permits(address));
    });
  }

  for (const address of [
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    'fd00::1',
    'fe80::1',
    'fec0::1',
    'ff02::1',
  ]) {
    it(`does not permit ${address}`, () => {
      assert.ok(!guard.permits(address));
    });
  }

  it('permits what is listed, as a network or as an address', () => {
    const listing = new AddressGuard(['10.1.0.0/16', '::1', 'fd00:1::/32']);

    assert.ok(listing.permits('10.1.200.3'));
    assert.ok(listing.permits('::1'));
    assert.ok(listing.permits('fd00:1:2::3'));
    assert.ok(!listing.permits('10.2.0.1'));
    assert.ok(!listing.permits('fd00:2::3'));
  });

  it('refuses a name that leads only to private addresses, however it is asked for', async () => {
    await assert.rejects(lookup('localhost', {}), hasCode(Code.PermissionDenied));
    await assert.rejects(lookup('localhost', { all: true }), hasCode(Code.PermissionDenied));
    await assert.rejects(lookup('localhost', { family: 4 }), hasCode(Code.PermissionDenied));
  });

  it('finds the addresses of a name that are permitted', async () => {
    const listing = new AddressGuard(['127.0.0.0/8']);

    const found = await new Promise((resolve, reject) => {
      listing.lookup('localhost', { all: true, family: 0 }, (reason, addresses) =>
        reason ? reject(reason) : resolve(addresses),
      );
    });

    assert.deepEqual(found, [{ address: '127.0.0.1', family: 4 }]);
  });

  it('says of a name that does not exist that it does not exist', async () => {
    await assert.rejects(lookup('does-not-exist.invalid', {}), { syscall: 'getaddrinfo' });
  });
});
