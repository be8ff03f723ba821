import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Dice, tellSeed, times } from '../helpers/chance.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { StorageSite } from './storage-server.js';
import { strikeAgainAndAgain } from './strikes.js';

const mebibyte = 1024 * 1024;

/** After so many kills a folder has seen enough, and a new one takes its place. */
const killsOfAFolder = 12;

describe('A server that is killed while it is being uploaded to (D1, D2, D3, D5)', function () {
  this.timeout(times(120_000, 3_600_000));

  tellSeed();

  for (const { title, size, keptBytes } of [
    { title: 'has all that it acknowledged', size: '20G', keptBytes: Infinity },
    // What was stored last goes last, but the order of what came in the same moment is not known. Besides what is kept there
    // is room for what four clients may have under way: in 16 MiB nothing could stay while each of them uploads 4 MiB.
    { title: 'has what it acknowledged last while it must evict', size: '32M', keptBytes: 3 * mebibyte },
  ]) {
    it(`${title}, and of all else nothing or all`, async () => {
      const dice = new Dice(title);
      await using folder = await temporaryDirectory();
      for (let left = times(4, 100); left > 0; left -= killsOfAFolder) {
        const path = join(folder.path, String(left));
        const site = new StorageSite(path, size);
        await strikeAgainAndAgain(site, dice, {
          count: Math.min(killsOfAFolder, left),
          strike: async (server) => {
            server.kill('SIGKILL');
            await server.ended;
            await killWhileStarting(site, dice);
          },
          keptBytes,
        });
        await rm(path, { recursive: true });
      }
    });
  }
});

/** One time in four the next server does not live to serve either. */
async function killWhileStarting(site: StorageSite, dice: Dice): Promise<void> {
  if (dice.int(1, 4) > 1) return;
  await using server = await site.launch();
  await delay(dice.int(0, 800));
  server.kill('SIGKILL');
}
