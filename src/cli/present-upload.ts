import type { UploadProgress } from '../client/missing-upload.js';
import { presentBytes } from './present-bytes.js';

/** How far an upload has come, in one line. */
export function presentUpload({ totalBlobs, totalBytes, uploadedBlobs, uploadedBytes }: UploadProgress): string {
  const missing = `${uploadedBlobs} uploaded (${presentBytes(uploadedBytes)})`;
  return `${totalBlobs} blobs (${presentBytes(totalBytes)}) looked at, ${missing}`;
}
