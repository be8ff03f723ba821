import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Dice, tellSeed, times } from '../helpers/chance.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { Ledger } from './ledger.js';
import { StorageSite } from './storage-server.js';
import { UploadLoad, connect } from './upload-load.js';

const mebibyte = 1024 * 1024;
const clients = 4;

/** After so many kills a folder has seen enough, and a new one takes its place. */
const killsOfAFolder = 12;

describe('A server that is killed while it is being uploaded to (D1, D2, D3, D5)', function () {
  this.timeout(times(120_000, 3_600_000));

  tellSeed();

  for (const { title, size, keptBytes } of [
    { title: 'has all that it acknowledged', size: '20G', keptBytes: Infinity },
    // What was stored last goes last, but the order of what came in the same moment is not known.
    { title: 'has what it acknowledged last while it must evict', size: '16M', keptBytes: 3 * mebibyte },
  ]) {
    it(`${title}, and of all else nothing or all`, async () => {
      const dice = new Dice(title);
      await using folder = await temporaryDirectory();
      for (let kill = 0; kill < times(4, 100); kill += killsOfAFolder) {
        const path = join(folder.path, String(kill));
        await killAgainAndAgain(new StorageSite(path, size), dice, {
          kills: Math.min(killsOfAFolder, times(4, 100) - kill),
          keptBytes,
        });
        await rm(path, { recursive: true });
      }
    });
  }
});

async function killAgainAndAgain(
  site: StorageSite,
  dice: Dice,
  { kills, keptBytes }: { readonly kills: number; readonly keptBytes: number },
): Promise<void> {
  const ledger = new Ledger();
  for (let kill = 0; kill <= kills; kill += 1) {
    await using server = await site.launch();
    const url = await site.served(server);
    await site.checkNoTemporaryFile();
    const remote = await connect(url);
    await ledger.check(remote, keptBytes);
    remote.channel[Symbol.dispose]();
    if (kill === kills) return;

    const mayFail = new AbortController();
    const loads = Array.from({ length: clients }, (_, index) => {
      return new UploadLoad(ledger, new Dice(`client ${index} of ${dice.int(0, 1e9)}`), mayFail.signal).run(url);
    });
    const ended = Promise.allSettled(loads);
    // At any moment: time passes also between two answers.
    const goal = ledger.storedCount + dice.int(0, 200);
    while (ledger.storedCount < goal) await delay(1);
    await delay(dice.int(0, 50));
    mayFail.abort();
    server.kill('SIGKILL');
    await server.ended;
    for (const outcome of await ended) if (outcome.status === 'rejected') throw outcome.reason;
    await killWhileStarting(site, dice);
  }
}

/** One time in four the next server does not live to serve either. */
async function killWhileStarting(site: StorageSite, dice: Dice): Promise<void> {
  if (dice.int(1, 4) > 1) return;
  await using server = await site.launch();
  await delay(dice.int(0, 800));
  server.kill('SIGKILL');
}
