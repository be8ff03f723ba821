import { z } from 'zod';
import { path } from './values.js';

const clientCredentials = z.strictObject({
  tlsClientKey: path.optional(),
  tlsClientCert: path.optional(),
  tlsServerCert: path.optional(),
});

/** The keys of what talks to another server's REAPI endpoint. */
export const remote = { url: z.string().min(1), instanceName: z.string(), credentials: clientCredentials.optional() };
