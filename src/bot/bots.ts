import type { BotsClient } from '../client/bots-client.js';

/** The Bots service as a bot sees it. Calls reject with a StatusError and are not repeated. */
export type Bots = Pick<BotsClient, 'createBotSession' | 'updateBotSession'>;
