import { readFile } from 'node:fs/promises';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import { parseServerConfig } from '../config/parse-server-config.js';
import { type ServerConfig, anyInstanceName } from '../config/server-config.js';

/** What {@link loadServerConfig} reads. */
export interface LoadServerConfigOptions {
  readonly file: string;
  /** What `!expand-path` knows. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Names that take the place of the instance `*`. @defaultValue it stays */
  readonly instanceNames?: readonly string[];
}

/** Reads a server's configuration. Throws INVALID_ARGUMENT with all its faults, or if it cannot be read. */
export async function loadServerConfig(options: LoadServerConfigOptions): Promise<ServerConfig> {
  const config = parseServerConfig(await readText(options.file), options.file, options.environment);
  const names = options.instanceNames ?? [];
  if (names.length === 0) return config;
  const instances = config.instances.flatMap((instance) =>
    instance.name === anyInstanceName ? names.map((name) => ({ ...instance, name })) : [instance],
  );
  return { ...config, instances };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (reason) {
    const errno = errnoOf(reason);
    if (errno === 'ENOENT') throw new StatusError(Code.InvalidArgument, `There is no configuration file ${file}`);
    throw new StatusError(
      Code.InvalidArgument,
      `Cannot read the configuration file ${file}: ${errno ?? String(reason)}`,
    );
  }
}
