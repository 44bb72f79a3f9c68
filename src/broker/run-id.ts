import type { Redis } from 'ioredis';

/** Names this process of the server: another one, after a restart or a failover, may lack the last writes. */
export const readRunId = async (redis: Redis): Promise<string> => {
  const info = await redis.info('server');
  return /^run_id:(\w+)/m.exec(info)?.[1] ?? '';
};
