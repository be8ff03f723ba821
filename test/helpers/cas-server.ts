import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { silentLogger } from '../../src/common/logger.js';
import { loadDigestFunctions } from '../../src/digest/digest-function.js';
import { GrpcServer } from '../../src/server/grpc-server.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import { CapabilitiesService } from '../../src/services/capabilities-service.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import type { PartialUploads } from '../../src/services/partial-uploads.js';

/**
 * A real server with the CAS and nothing else, for any instance name, on a free port of the loopback. Nothing is kept of
 * uploads that break off, unless `partialUploads` keeps it.
 */
export async function listenCas(blobs: BlobStore, partialUploads?: PartialUploads): Promise<GrpcServer> {
  await loadDigestFunctions();
  const registry = new InstanceRegistry(new Map(), { blobs: new VerifyingBlobStore(blobs) });
  return GrpcServer.listen({
    addresses: [{ host: '127.0.0.1', port: 0 }],
    services: {
      'build.bazel.remote.execution.v2.Capabilities': new CapabilitiesService(registry),
      'build.bazel.remote.execution.v2.ContentAddressableStorage': new ContentAddressableStorageService(registry),
      'google.bytestream.ByteStream': new ByteStreamService(registry, { ...(partialUploads && { partialUploads }) }),
    },
    logger: silentLogger,
    stopGraceMs: 0,
  });
}
