import { Plugin } from '@oclif/core';
import { build, transform, type OutputFile, type Plugin as BundlerPlugin } from 'esbuild';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Makes dist/ and oclif.manifest.json, unless they were made of exactly these sources. Every command is an entry point;
// what several share becomes a chunk. Packages are bundled, because to find and load hundreds of small files is most of
// the time that a short command takes; those that are native, or load their own files, stay in node_modules.

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const stampFile = join(dist, '.stamp');

const target = 'node20.12';

/** Not bundled. `@grpc/proto-loader` is half of grpc-js, for statistics of channels that nobody asks for. */
const external = [
  '@aws-sdk/client-s3',
  '@cloudpss/zstd',
  '@grpc/proto-loader',
  'execa',
  'ioredis',
  'knex',
  'pg',
  'pino',
  'sqlite3',
];

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

/**
 * esbuild gives a CommonJS package that is loaded by `import()` a default export only, Node its names too. This gives it
 * the names, so that the same code runs built and unbuilt.
 */
const namesOfLazyPackages: BundlerPlugin = {
  name: 'names-of-lazy-packages',
  setup(bundler) {
    bundler.onResolve({ filter: /^(@[^/]+\/)?[a-z][^/:]*$/ }, ({ kind, path, importer }) => {
      if (kind !== 'dynamic-import' || importer.includes('node_modules') || external.includes(path)) return undefined;
      return isBuiltin(path) ? undefined : { path, namespace: 'lazy-package' };
    });
    bundler.onLoad({ filter: /./, namespace: 'lazy-package' }, async ({ path }) => {
      const names = Object.keys((await import(path)) as object).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name));
      return { contents: `export { ${names.join(', ')} } from '${path}';`, resolveDir: root };
    });
  },
};

/** The parts of oclif that commands need; its index loads all there is, and looks for the engine that it wants. */
const partsOfOclif: BundlerPlugin = {
  name: 'parts-of-oclif',
  setup(bundler) {
    const contents = `
      export * as Args from '@oclif/core/args';
      export { Command } from '@oclif/core/command';
      export * as Flags from '@oclif/core/flags';
      export { run } from '@oclif/core/run';
      export { settings } from '@oclif/core/settings';`;
    bundler.onResolve({ filter: /^@oclif\/core$/ }, ({ importer, path }) =>
      importer.includes('node_modules') ? undefined : { path, namespace: 'oclif' },
    );
    bundler.onLoad({ filter: /./, namespace: 'oclif' }, () => ({ contents, resolveDir: root }));
  },
};

/** Bundling renames classes. Ours keep their names, which logs and stacks show; for all packages that would take long. */
const namesOfOurs: BundlerPlugin = {
  name: 'names-of-ours',
  setup(bundler) {
    bundler.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      if (path.includes('node_modules')) return undefined;
      const source = await readFile(path, 'utf8');
      const options = { loader: 'ts', target, keepNames: true, sourcemap: 'inline', sourcefile: path } as const;
      return { contents: (await transform(source, options)).code, loader: 'js' };
    });
  },
};

async function bundle(): Promise<readonly OutputFile[]> {
  const commands = sourceFiles('src/commands').filter((file) => file.endsWith('.ts'));
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts', ...commands],
    outdir: dist,
    write: false,
    outbase: 'src',
    // Two folders deep like the sources, so that what they read by a relative path is there for the chunks too.
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target,
    sourcemap: true,
    sourcesContent: false,
    minifySyntax: true,
    minifyWhitespace: true,
    external: [...external, ...neverThere],
    banner: { js: banner },
    plugins: [namesOfLazyPackages, namesOfOurs, partsOfOclif],
    logLevel: 'warning',
  });
  return outputFiles;
}

/**
 * Writes in place, chunks before the entry points that name them, then removes what is no longer part of it: an
 * interrupted build leaves nothing beside `dist/`, and without a stamp the next one begins anew.
 */
async function replaceDist(): Promise<void> {
  const files = await bundle();
  rmSync(stampFile, { force: true });
  const isChunk = ({ path }: OutputFile): boolean => path.startsWith(join(dist, 'chunks'));
  for (const file of [...files.filter(isChunk), ...files.filter((each) => !isChunk(each))]) {
    mkdirSync(dirname(file.path), { recursive: true });
    writeFileSync(file.path, file.contents);
  }
  const wanted = new Set(files.map(({ path }) => path));
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const path = join(dist, name);
    if (statSync(path).isFile() && !wanted.has(path)) rmSync(path);
  }
}

/** With the manifest oclif knows every command without loading any. Sorted: folders are read in any order. */
async function writeManifest(): Promise<void> {
  const plugin = new Plugin({ root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true });
  await plugin.load();
  const commands = Object.entries(plugin.manifest.commands).sort(([left], [right]) => (left < right ? -1 : 1));
  const manifest = { ...plugin.manifest, commands: Object.fromEntries(commands) };
  writeFileSync(join(root, 'oclif.manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

const stamp = stampOf(['package.json', 'package-lock.json', 'scripts/build.ts', ...sourceFiles('src')]);
const isUpToDate =
  existsSync(join(root, 'oclif.manifest.json')) &&
  existsSync(stampFile) &&
  readFileSync(stampFile, 'utf8').trim() === stamp;

if (isUpToDate) {
  console.log('dist/ is up to date.');
} else {
  try {
    await replaceDist();
    await writeManifest();
    writeFileSync(stampFile, `${stamp}\n`);
    console.log('dist/ is built.');
  } catch (reason) {
    // esbuild has told what is wrong with the sources already.
    if (!(reason instanceof Error && 'errors' in reason)) throw reason;
    process.exitCode = 1;
  }
}
