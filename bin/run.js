#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const argv = process.argv.slice(2);
const root = new URL('..', import.meta.url);

// Scripts ask for the version often: answered before anything else is loaded.
if (argv.length === 1 && ['--version', 'version'].includes(argv[0])) {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  console.log(`bgd/${version} ${process.platform}-${process.arch} node-${process.version}`);
} else {
  // Stacks lead to the sources where somebody reads them: when asked for, and in the logs of what runs long.
  if (process.env.DEBUG || ['bot', 'server'].includes(argv[0])) process.setSourceMapsEnabled(true);
  // What is deprecated in the packages that we use is for us to know, not for those who run bgd.
  process.noDeprecation = !process.env.DEBUG;
  const { main } = await import('../dist/cli/main.js');
  await main(argv, fileURLToPath(root));
}
