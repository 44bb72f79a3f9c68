import type { Config } from '../config.ts';
import { type Logger, quietly } from '../logger.ts';
import { redisServer } from '../redis-settings.ts';
import { Broker, type BrokerOptions } from './lanes.ts';

/** What the settings say about Redis. */
export const brokerOptions = (config: Config): BrokerOptions => ({
  high: redisServer(config, 'HIGH'),
  low: redisServer(config, 'LOW'),
  prefix: config.REDIS_KEY_PREFIX,
  shardsPerLane: config.SHARDS_PER_LANE,
  commandTimeoutMs: config.REDIS_TIMEOUT_MS,
});

/** The broker that the settings name. */
export const openBroker = (config: Config, logger: Logger): Broker =>
  new Broker(brokerOptions(config), quietly(logger, 'no connection to Redis; trying again'));
