/** What each room of src/ may import besides itself; docs/architecture.md draws it. */
const bytes = ['common', 'proto', 'digest', 'blobstore'];
const ports = [...bytes, 'merkle', 'actioncache', 'scheduler'];
const client = [...bytes, 'codec', 'actioncache', 'merkle'];
const rooms = {
  common: [],
  proto: ['common'],
  config: ['common'],
  sql: ['common'],
  s3: ['common'],
  redis: ['common'],
  codec: ['common'],
  digest: ['common', 'proto'],
  blobstore: ['common', 'proto', 'digest', 's3', 'redis', 'sql'],
  keyedstore: ['common', 's3', 'redis', 'sql'],
  merkle: bytes,
  actioncache: [...bytes, 'keyedstore', 'merkle'],
  assets: [...bytes, 'keyedstore', 'merkle'],
  scheduler: ['common', 'proto', 'digest', 'sql', 'actioncache'],
  simulation: ['common', 'scheduler'],
  client,
  bot: [...bytes, 'merkle', 'client'],
  services: [...ports, 'assets', 'codec'],
  http: [...bytes, 'keyedstore', 'actioncache'],
  server: [
    ...ports,
    'assets',
    'keyedstore',
    'sql',
    's3',
    'redis',
    'config',
    'client',
    'services',
    'http',
    'simulation',
  ],
  cli: ['common', 'digest', 'client'],
  commands: ['common', 'digest', 'client', 'cli'],
};

/** Commands that may load a role of the binary, each only its own and only by `import()`. */
const roles = { server: '^src/commands/server/', bot: '^src/commands/bot/' };

const layering = Object.entries(rooms).map(([room, allowed]) => ({
  name: `${room}-imports`,
  comment: `src/${room} may import ${allowed.join(', ') || 'no other room'}. To move an arrow, write an ADR.`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: {
    path: '^src/',
    pathNot: [`^src/(${[room, ...allowed].join('|')})/`, ...(room === 'commands' ? ['^src/(server|bot)/'] : [])],
  },
}));

const commandRoles = Object.entries(roles).flatMap(([room, home]) => [
  {
    name: `commands-load-${room}-in-its-topic`,
    comment: `Only the commands of the topic may load src/${room}: the others must start fast.`,
    severity: 'error',
    from: { path: '^src/commands/', pathNot: home },
    to: { path: `^src/${room}/` },
  },
  {
    name: `commands-load-${room}-lazily`,
    comment: `src/${room} is loaded by import() when the command runs, so that --help stays fast.`,
    severity: 'error',
    from: { path: home },
    to: { path: `^src/${room}/`, dependencyTypesNot: ['dynamic-import', 'type-only'] },
  },
]);

/** Third-party packages and the one place that knows each. */
const homes = [
  [
    'grpc-at-the-edges',
    '@grpc/grpc-js',
    '^src/(services|server|client)/',
    'Only the edges speak gRPC at run time; proto/ may use its types.',
  ],
  ['oclif-in-cli', '@oclif/', '^src/(cli|commands)/', 'Only commands know the command line.'],
  ['execa-in-runner', 'execa', '^src/bot/runner/', 'One place starts processes for actions.'],
  ['knex-in-sql', '(knex|sqlite3|pg)', '^src/sql/', 'One place knows the databases.'],
  ['aws-sdk-in-s3', '(@aws-sdk|@smithy)', '^src/s3/', 'One place knows the SDK of AWS.'],
  ['ioredis-in-redis', 'ioredis', '^src/redis/', 'One place knows the client of Redis.'],
  ['yaml-in-config', 'yaml', '^src/config/', 'One place reads YAML.'],
  ['hash-wasm-in-digest', 'hash-wasm', '^src/digest/', 'One place knows how BLAKE3 is made.'],
  ['zstd-in-codec', '@cloudpss/zstd', '^src/codec/', 'One place knows how zstd is made.'],
  ['pino-in-cli', 'pino', '^src/cli/', 'Everything else logs to the Logger port.'],
].map(([name, pkg, home, comment]) => ({
  name,
  comment,
  severity: 'error',
  from: { path: '^src/', pathNot: home },
  to: { path: `node_modules/${pkg}(/|$)`, dependencyTypesNot: ['type-only'] },
}));

export default {
  forbidden: [
    ...layering,
    ...commandRoles,
    ...homes,
    {
      name: 'no-cycles',
      comment: 'A cycle hides which of the two pieces depends on the other: find the missing third.',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'Nobody imports this file: delete it, or wire it in.',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: ['^src/commands/', '^src/proto/gen/'] },
      to: {},
    },
    {
      name: 'ports-know-no-backend',
      comment: 'Only create-* files name a backend or a decorator; everything else sees the port.',
      severity: 'error',
      from: { path: '^src/(services|http|scheduler|bot|client|actioncache|assets|merkle)/', pathNot: '/create-[^/]+$' },
      to: { path: '^src/(blobstore|keyedstore|actioncache)/(backends|decorators)/', pathNot: '^src/$1/' },
    },
    {
      name: 'src-not-to-test',
      comment: 'The product needs nothing of its tests.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|bench)/' },
    },
    {
      name: 'no-dev-dependencies',
      comment: 'A dev dependency is not installed where bgd runs.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-unresolved',
      comment: 'This import leads nowhere.',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
