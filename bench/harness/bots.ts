import { BenchBot } from './bench-bot.js';
import { Http2Load } from './http2-load.js';

// Bots in a process of their own: the port of the server, and how many. They work until the process is ended.

const [port, count] = process.argv.slice(2).map(Number) as [number, number];
const connections = 2;
const load = await Http2Load.connect(port, { connections });
const bots = await Promise.all(
  Array.from({ length: count }, (_, index) => BenchBot.connect(load, index % connections, `bench/${index}`)),
);
console.log(`connected ${count}`);
process.once('SIGTERM', () => process.exit(0));
await Promise.all(
  bots.map(async (bot) => {
    for (;;) await bot.next();
  }),
);
