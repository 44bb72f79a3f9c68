import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { bullmq } from '../systems/bullmq.ts';
import { PAYLOAD } from '../systems/system.ts';
import { taskflow } from '../systems/taskflow.ts';
import { eachAlone, type Scenario } from './scenario.ts';

const ALL = [taskflow, bullmq];
const PAYLOAD_BYTES = Buffer.byteLength(JSON.stringify(PAYLOAD));

/** What a waiting task takes in Redis, beside its payload. */
export const memory: Scenario = {
  name: 'memory',
  contestants: ALL,
  run: (round) =>
    eachAlone(ALL, round, async (system, contestant, { redisPort }) => {
      const redis = new Redis({ port: redisPort });
      const count = round.scale(50_000);
      try {
        const before = await usedMemory(redis);
        await system.submit({ count, callers: 4, size: Math.min(1_000, count) });
        const value = ((await settled(redis)) - before) / count - PAYLOAD_BYTES;
        return [
          {
            name: 'memory of a waiting task in Redis, beside its payload',
            system: contestant.name,
            value,
            unit: 'bytes',
          },
        ];
      } finally {
        redis.disconnect();
      }
    }),
};

/** Bytes of what Redis holds, without its own. */
export const usedMemory = async (redis: Redis): Promise<number> =>
  Number(/^used_memory_dataset:(\d+)/m.exec(await redis.info('memory'))?.[1]);

/** TaskFlow hands tasks to Redis after it acknowledged them. @returns the memory once it does not grow any more */
const settled = async (redis: Redis): Promise<number> => {
  let last = await usedMemory(redis);
  for (;;) {
    await delay(300);
    const now = await usedMemory(redis);
    if (now <= last) return now;
    last = now;
  }
};
