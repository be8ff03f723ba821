import { Plugin } from '@oclif/core';
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Makes dist/ and oclif.manifest.json, unless they were made of exactly these sources. Every command is an entry point;
// what several share becomes a chunk. Packages are bundled, because to find and load hundreds of small files is most of
// the time that a short command takes; those that are native, or load their own files, stay in node_modules.

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const stampFile = join(dist, '.stamp');

const external = ['execa', 'knex', 'pino', 'sqlite3'];

/** What oclif looks for but `bgd` never has: compilers of TypeScript, Yarn's resolver, plugins of other makers. */
const neverThere = ['typescript', 'ts-node', 'pnpapi'];

/** Gives bundled CommonJS packages what they take for granted. */
const banner = [
  "import { createRequire as bgdCreateRequire } from 'node:module';",
  "import { dirname as bgdDirname } from 'node:path';",
  "import { fileURLToPath as bgdFileURLToPath } from 'node:url';",
  'const require = bgdCreateRequire(import.meta.url);',
  'const __filename = bgdFileURLToPath(import.meta.url);',
  'const __dirname = bgdDirname(__filename);',
].join(' ');

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|js)$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** Changes when a source is added, removed or edited. */
function stampOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

async function bundle(outdir: string): Promise<void> {
  const commands = sourceFiles('src/commands').filter((file) => file.endsWith('.ts'));
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts', ...commands],
    outdir,
    outbase: 'src',
    // Two folders deep like the sources, so that what they read by a relative path is there for the chunks too.
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.12',
    sourcemap: true,
    sourcesContent: false,
    keepNames: true,
    external: [...external, ...neverThere],
    banner: { js: banner },
    logLevel: 'warning',
  });
}

/** Built beside and moved into place, so that a build that fails or is interrupted leaves the old one usable. */
async function replaceDist(): Promise<void> {
  const fresh = `${dist}.${process.pid}`;
  try {
    await bundle(fresh);
    rmSync(dist, { recursive: true, force: true });
    renameSync(fresh, dist);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** With the manifest oclif knows every command without loading any. */
async function writeManifest(): Promise<void> {
  const plugin = new Plugin({ root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true });
  await plugin.load();
  writeFileSync(join(root, 'oclif.manifest.json'), `${JSON.stringify(plugin.manifest, null, 2)}\n`);
}

const stamp = stampOf(['package.json', 'package-lock.json', 'scripts/build.ts', ...sourceFiles('src')]);
const isUpToDate =
  existsSync(join(root, 'oclif.manifest.json')) &&
  existsSync(stampFile) &&
  readFileSync(stampFile, 'utf8').trim() === stamp;

if (isUpToDate) {
  console.log('dist/ is up to date.');
} else {
  await replaceDist();
  await writeManifest();
  writeFileSync(stampFile, `${stamp}\n`);
  console.log('dist/ is built.');
}
