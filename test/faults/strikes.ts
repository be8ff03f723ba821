import { setTimeout as delay } from 'node:timers/promises';
import type { BgdProcess } from '../helpers/bgd-process.js';
import { Dice } from '../helpers/chance.js';
import { Ledger } from './ledger.js';
import type { StorageSite } from './storage-server.js';
import { UploadLoad, connect } from './upload-load.js';

/** What happens to a server, and what must be left of it. */
export interface Strikes {
  readonly count: number;
  /** Must end the server. */
  readonly strike: (server: BgdProcess) => Promise<void>;
  /** So many of the bytes that were stored last must be there. */
  readonly keptBytes: number;
}

const clients = 4;

/**
 * Starts a server, uploads to it in every way there is, strikes it at any moment, and starts it again. Each time all that
 * it has acknowledged must be there, all else must be there whole or not at all, and nothing half-written may be left.
 */
export async function strikeAgainAndAgain(
  site: StorageSite,
  dice: Dice,
  { count, strike, keptBytes }: Strikes,
): Promise<void> {
  const ledger = new Ledger();
  for (let round = 0; round <= count; round += 1) {
    await using server = await site.launch();
    const url = await site.served(server);
    await site.checkNoTemporaryFile();
    const remote = await connect(url);
    await ledger.check(remote, keptBytes);
    remote.channel[Symbol.dispose]();
    if (round === count) return;

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
    await strike(server);
    await server.ended;
    for (const outcome of await ended) if (outcome.status === 'rejected') throw outcome.reason;
  }
}
