/** Where an S3 service is and how to be let in. */
export interface S3Options {
  /** URL of the service. @defaultValue that of AWS for the region */
  readonly endpoint?: string | undefined;
  /** @defaultValue what the SDK finds in the environment and its files, else us-east-1 */
  readonly region?: string | undefined;
  /** Both keys or none. @defaultValue the SDK's chain: environment, shared files, the machine's or container's role */
  readonly accessKey?: string | undefined;
  readonly secretKey?: string | undefined;
  /** Whether the bucket stands in the path of the URL. @defaultValue true where there is an endpoint */
  readonly usesPathStyle?: boolean | undefined;
}

/** Names the service to a person. */
export function s3ServiceName({ endpoint, region }: S3Options): string {
  if (endpoint === undefined) return `S3 of AWS${region === undefined ? '' : ` in ${region}`}`;
  // Whatever stands before an @ may be a secret (S6).
  return `S3 at ${endpoint.replace(/\/\/[^/]*@/, '//')}`;
}
