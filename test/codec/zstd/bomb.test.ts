import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const mebibyte = 1024 * 1024;

interface BombReport {
  readonly bombBytes: number;
  readonly message: string;
  readonly madeBytes: number;
  readonly grownBytes: number;
}

/** A process of its own, for the most memory that one ever had is never forgotten. */
async function explode(how: string): Promise<BombReport> {
  const script = `await import(${JSON.stringify(new URL('bomb-process.js', import.meta.url).href)});`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    script,
    how,
  ]);
  return JSON.parse(stdout) as BombReport;
}

describe('A zstd bomb of 16 KiB that expands to 512 MiB (U4)', () => {
  for (const how of ['stream', 'bytes', 'announced']) {
    it(`is refused within bounded memory (${how})`, async () => {
      const { bombBytes, message, madeBytes, grownBytes } = await explode(how);

      assert.ok(bombBytes < 17_000);
      assert.match(message, /not acceptable as zstd: they (hold more than the 8388608 bytes|announce 536870912 bytes)/);
      assert.ok(madeBytes <= 8 * mebibyte);
      assert.ok(grownBytes < 64 * mebibyte, `grew by ${Math.round(grownBytes / mebibyte)} MiB`);
    });
  }
});
