import type { Config } from '../config.ts';
import { type Logger, quietly } from '../logger.ts';
import { Broker } from './lanes.ts';

/** The broker that the settings name. */
export const openBroker = (config: Config, logger: Logger): Broker =>
  new Broker(
    {
      high: {
        host: config.REDIS_HOST_HIGH,
        port: config.REDIS_PORT_HIGH,
        username: config.REDIS_USERNAME_HIGH,
        password: config.REDIS_PASSWORD_HIGH,
      },
      low: {
        host: config.REDIS_HOST_LOW,
        port: config.REDIS_PORT_LOW,
        username: config.REDIS_USERNAME_LOW,
        password: config.REDIS_PASSWORD_LOW,
      },
      prefix: config.REDIS_KEY_PREFIX,
      shardsPerLane: config.SHARDS_PER_LANE,
      commandTimeoutMs: config.REDIS_TIMEOUT_MS,
    },
    quietly(logger, 'no connection to Redis; trying again'),
  );
