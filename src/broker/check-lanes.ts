import { inTime, OK } from '../readiness.ts';
import type { Broker, Lane } from './lanes.ts';

/** Do both lanes answer, each with all its shards? Takes two seconds at most. */
export const checkLanes = async ({ high, low }: Broker): Promise<{ redisHigh: string; redisLow: string }> => {
  const [redisHigh, redisLow] = await Promise.all([checkLane(high), checkLane(low)]);
  return { redisHigh, redisLow };
};

const checkLane = async ({ connections }: Lane): Promise<string> => {
  try {
    await inTime(Promise.all(connections.map((redis) => redis.ping())));
    return OK;
  } catch {
    return 'cannot be reached';
  }
};
