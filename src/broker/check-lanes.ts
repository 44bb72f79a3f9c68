import { ANSWER_MS, OK } from '../readiness.ts';
import { within } from '../within.ts';
import type { Broker, Lane } from './lanes.ts';

/** Do both lanes answer, each with all its shards? Takes two seconds at most. */
export const checkLanes = async ({ high, low }: Broker): Promise<{ redisHigh: string; redisLow: string }> => {
  const [redisHigh, redisLow] = await Promise.all([checkLane(high), checkLane(low)]);
  return { redisHigh, redisLow };
};

const AWAY = 'cannot be reached';

const checkLane = async ({ connections }: Lane): Promise<string> => {
  try {
    const isThere = await within(ANSWER_MS, Promise.all(connections.map((redis) => redis.ping())));
    return isThere ? OK : AWAY;
  } catch {
    return AWAY;
  }
};
