import { inTime, OK } from '../readiness.ts';
import type { Broker, Lane } from './lanes.ts';

/** Do both lanes answer? Takes two seconds at most. */
export const checkLanes = async ({ high, low }: Broker): Promise<{ redisHigh: string; redisLow: string }> => {
  const [redisHigh, redisLow] = await Promise.all([checkLane(high), checkLane(low)]);
  return { redisHigh, redisLow };
};

const checkLane = async ({ redis }: Lane): Promise<string> => {
  try {
    await inTime(redis.ping());
    return OK;
  } catch {
    return 'cannot be reached';
  }
};
