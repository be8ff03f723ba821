const reapi = 'build.bazel.remote.execution.v2';
const asset = 'build.bazel.remote.asset.v1';

/** Full names of the services that are served and called. */
export const serviceNames = {
  capabilities: `${reapi}.Capabilities`,
  cas: `${reapi}.ContentAddressableStorage`,
  actionCache: `${reapi}.ActionCache`,
  execution: `${reapi}.Execution`,
  byteStream: 'google.bytestream.ByteStream',
  operations: 'google.longrunning.Operations',
  bots: 'google.devtools.remoteworkers.v1test2.Bots',
  fetch: `${asset}.Fetch`,
  push: `${asset}.Push`,
  referenceStorage: 'buildstream.v2.ReferenceStorage',
  admin: 'bgd.admin.v1.Admin',
  health: 'grpc.health.v1.Health',
} as const;

/** Full names of the messages that travel in an `Any`. */
export const messageNames = {
  action: `${reapi}.Action`,
  actionResult: `${reapi}.ActionResult`,
  digest: `${reapi}.Digest`,
  executeOperationMetadata: `${reapi}.ExecuteOperationMetadata`,
  executeResponse: `${reapi}.ExecuteResponse`,
  requestMetadata: `${reapi}.RequestMetadata`,
  /** Our own: why an operation waits. */
  unserved: 'bgd.execution.v1.Unserved',
} as const;

/** Headers, which go in lower case. */
export const headerNames = {
  /** Who calls, and what for (RM-1); a RequestMetadata message. */
  requestMetadata: `${reapi}.requestmetadata-bin`,
  /** Our own: `1` asks for a busy bot's call to be held, too (RW-5). Such a bot breaks off the call to report. */
  holdBusy: 'bgd-hold-busy',
} as const;
