import type { S3Config } from '../config/storage-config.js';
import { S3Connection } from '../s3/s3-connection.js';
import type { Composition } from './composition.js';

/** Connects to the S3 service that `config` names; stores of the same service share a connection. */
export function openS3(
  { endpoint, region, accessKey, secretKey, pathStyle }: Omit<S3Config, 'bucket'>,
  composition: Composition,
): Promise<S3Connection> {
  const { lifecycle, logger } = composition;
  return composition.shared(['s3', endpoint, region, accessKey, secretKey, pathStyle], async () => {
    const options = { endpoint, region, accessKey, secretKey, usesPathStyle: pathStyle };
    return lifecycle.use(await S3Connection.open({ ...options, logger }));
  });
}
