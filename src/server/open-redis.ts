import type { RedisConfig } from '../config/storage-config.js';
import { RedisConnection } from '../redis/redis-connection.js';
import type { Composition } from './composition.js';

/** Connects to the Redis server that `config` names; stores of the same database share a connection. */
export function openRedis(
  { host, port, password, db }: RedisConfig,
  composition: Composition,
): Promise<RedisConnection> {
  const { lifecycle, logger } = composition;
  return composition.shared(['redis', host, port, password, db], async () =>
    lifecycle.use(await RedisConnection.open({ host, port, password, db, logger })),
  );
}
