import type { Logger } from 'pino';
import { pause } from '../broker/calls.ts';
import type { Broker } from '../broker/lanes.ts';
import type { Database } from '../database/client.ts';
import { publishQueueChange } from '../realtime/publish.ts';
import { checkQueueName } from './queue-name.ts';

export interface PauseServices {
  database: Database;
  broker: Broker;
  logger: Logger;
}

/**
 * Pauses or resumes a queue: nothing is claimed from a paused one, tasks that run go on, and submissions are accepted. A
 * shard whose Redis is away follows when it is back.
 *
 * @throws TaskFlowError BAD_USER_INPUT for what cannot name a queue
 */
export const setQueuePaused = async (services: PauseServices, name: string, isPaused: boolean): Promise<void> => {
  const { database, broker, logger } = services;
  checkQueueName(name);
  const changedAt = new Date();
  await database.queue.upsert({
    where: { name },
    create: { name, isPaused, changedAt },
    update: { isPaused, changedAt },
  });
  await Promise.all(
    broker.shards.map((shard) =>
      pause(shard, {}, [{ queue: name, paused: isPaused ? '1' : '0' }]).catch((err) =>
        logger.warn({ err, shard: shard.id, queue: name }, 'could not be told of the pause; its leader will'),
      ),
    ),
  );
  await Promise.all(broker.lanes.map((lane) => publishQueueChange(broker, lane, name).catch(() => undefined)));
};
