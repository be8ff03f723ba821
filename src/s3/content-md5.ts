import { hash } from 'node:crypto';
import type { S3 } from '@aws-sdk/client-s3';

interface Request {
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** Adds the checksum that the deletion of many objects had to have until CRC32 was allowed, for services that want it still. */
export function addContentMd5(s3: S3): void {
  s3.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const { headers, body } = args.request as Request;
        if (commandName === 'DeleteObjectsCommand' && typeof body === 'string') {
          headers['content-md5'] = hash('md5', body, 'base64');
        }
        return next(args);
      },
    { step: 'build', name: 'addContentMd5', priority: 'low' },
  );
}
