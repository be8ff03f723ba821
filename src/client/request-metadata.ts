import { createRequire } from 'node:module';
import { reapi } from '../proto/index.js';

/** What a caller may say of itself; servers show it in logs and lists. */
export interface RequestIds {
  readonly actionId?: string;
  readonly toolInvocationId?: string;
  readonly correlatedInvocationsId?: string;
}

/** Encodes the value of the header in which every call says who makes it and what for (RM-1). */
export function encodeRequestMetadata(ids: RequestIds = {}): Buffer {
  const toolDetails = { toolName: 'bgd', toolVersion: toolVersion() };
  return Buffer.from(reapi.RequestMetadata.encode({ ...ids, toolDetails }).finish());
}

function toolVersion(): string {
  const manifest = createRequire(import.meta.url)('../../package.json') as { readonly version: string };
  return manifest.version;
}
