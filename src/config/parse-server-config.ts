import { ConfigError, type ConfigFault } from './config-fault.js';
import { plainDataStores } from './execution-config.js';
import { parseYaml, placeText } from './parse-yaml.js';
import { type ServerConfig, serverConfigSchema } from './server-config.js';
import { type PathClash, sharedPaths } from './shared-paths.js';
import { configTags } from './tagged.js';
import type { Environment, YamlTree } from './yaml-tree.js';

/** Parses a server's configuration file. Throws {@link ConfigError} with everything that is wrong with it. */
export function parseServerConfig(text: string, fileName: string, environment: Environment): ServerConfig {
  const options = { fileName, environment, tags: configTags, implied: plainDataStores, schema: serverConfigSchema };
  const { data, tree } = parseYaml(text, options);
  const faults = sharedPaths(data).map((clash) => faultOfClash(clash, tree));
  if (faults.length === 0) return data;
  throw new ConfigError(fileName, faults);
}

function faultOfClash({ path, other, message }: PathClash, tree: YamlTree): ConfigFault {
  const { line, column } = tree.positionOf(other) ?? { line: 0, column: 0 };
  const text = `${placeText(path)}: ${message.replace('%', `${line}:${column}`)}`;
  return { position: tree.positionOf(path), message: text };
}
