import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { leaveOut, needsProgram } from '../helpers/capabilities.js';
import { Dice, tellSeed, times } from '../helpers/chance.js';
import { LoopDisk } from '../helpers/loop-disk.js';
import { StorageSite } from './storage-server.js';
import { strikeAgainAndAgain } from './strikes.js';

const gibibyte = 1024 ** 3;

describe('A server whose power is cut while it is being uploaded to (D1, D2, D3)', function () {
  this.timeout(times(120_000, 3_600_000));

  tellSeed();

  before(async function () {
    const leftOut = 'a server whose power is cut';
    for (const program of ['mkfs.ext4', 'python3']) needsProgram(this, program, leftOut);
    try {
      await using disk = await LoopDisk.create(64 * 1024 * 1024);
      await disk.cutPower();
    } catch (reason) {
      leaveOut(this, 'loop-devices', `${leftOut} (no file system can be mounted: ${String(reason)})`);
    }
  });

  it('has all that it acknowledged, and of all else nothing or all', async () => {
    const dice = new Dice('power');
    await using disk = await LoopDisk.create(2 * gibibyte);
    await strikeAgainAndAgain(new StorageSite(join(disk.path, 'data'), '20G'), dice, {
      count: times(2, 30),
      strike: async (server) => {
        await disk.cutPower();
        // What it still answers must be true.
        await delay(dice.int(0, 200));
        server.kill('SIGKILL');
        await server.ended;
        await disk.powerOn();
      },
      keptBytes: Infinity,
    });
  });
});
