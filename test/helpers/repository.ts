import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The root of the repository, also for tests that run as compiled copies in another folder of it. */
export const repositoryRoot = rootAbove(import.meta.dirname);

function rootAbove(folder: string): string {
  return existsSync(join(folder, 'package-lock.json')) ? folder : rootAbove(dirname(folder));
}
