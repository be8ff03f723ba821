import { z } from 'zod';
import { path } from './values.js';

/** What is wrong is said without the token (S6). */
const bearerToken = z.string().regex(/^[\w.~+/-]+=*$/, {
  error: 'a token is wanted here: this is none (is the environment variable set, that it should come from?)',
});

const clientCredentials = z
  .strictObject({
    tlsClientKey: path.optional(),
    tlsClientCert: path.optional(),
    tlsServerCert: path.optional(),
    authToken: path.optional(),
    tokenRefreshSeconds: z.number().min(0).optional(),
    bearerToken: bearerToken.optional(),
  })
  .refine((value) => value.authToken === undefined || value.bearerToken === undefined, {
    error: 'there is one token: auth-token, which is a file, or bearer-token is wanted, not both',
  })
  .refine((value) => value.tokenRefreshSeconds === undefined || value.authToken !== undefined, {
    error: 'token-refresh-seconds goes with auth-token, the file that is read again',
  })
  .refine((value) => (value.tlsClientKey === undefined) === (value.tlsClientCert === undefined), {
    error: 'tls-client-key and tls-client-cert are wanted both, or neither',
  });

/** The keys of what talks to another server's REAPI endpoint. */
export const remote = { url: z.string().min(1), instanceName: z.string(), credentials: clientCredentials.optional() };
