import { presentBytes } from './present-bytes.js';

/** How far an import has come; as `ImportedBlobs` of the blob store. */
export interface ImportState {
  readonly blobs: number;
  readonly sizeBytes: number;
  readonly present: number;
  readonly damaged: number;
}

/** The state of an import, under way or at its end. */
export function presentImport({ blobs, sizeBytes, present, damaged }: ImportState): string {
  const parts = [`${blobs} ${blobs === 1 ? 'blob' : 'blobs'} (${presentBytes(sizeBytes)}) imported`];
  if (present > 0) parts.push(`${present} were there already`);
  if (damaged > 0) parts.push(`${damaged} damaged`);
  return parts.join(', ');
}
