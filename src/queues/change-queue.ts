import type { Logger } from 'pino';
import { pause } from '../broker/calls.ts';
import type { Broker } from '../broker/lanes.ts';
import type { Database } from '../database/client.ts';
import { publishQueueChange } from '../realtime/publish.ts';
import { checkQueueName } from './queue-name.ts';
import type { QueueSettings } from './queue-store.ts';

export interface ChangeQueueServices {
  database: Database;
  broker: Broker;
  logger: Logger;
}

/**
 * Changes what is set about a queue; what is not given stays.
 *
 * Nothing is claimed from a paused queue, tasks that run go on, and submissions are accepted. A shard whose Redis is away
 * follows when it is back. A draining queue takes no new tasks, and those that are there are worked on; api nodes and
 * schedules follow within a second.
 *
 * @throws TaskFlowError BAD_USER_INPUT for what cannot name a queue
 */
export const changeQueue = async (
  { database, broker, logger }: ChangeQueueServices,
  name: string,
  changes: Partial<QueueSettings>,
): Promise<void> => {
  checkQueueName(name);
  const values = { ...changes, changedAt: new Date() };
  await database.queue.upsert({ where: { name }, create: { name, ...values }, update: values });
  if (changes.isPaused !== undefined) {
    const paused = changes.isPaused ? '1' : '0';
    await Promise.all(
      broker.shards.map((shard) =>
        pause(shard, {}, [{ queue: name, paused }]).catch((err) =>
          logger.warn({ err, shard: shard.id, queue: name }, 'could not be told of the pause; its leader will'),
        ),
      ),
    );
  }
  await Promise.all(broker.lanes.map((lane) => publishQueueChange(broker, lane, name).catch(() => undefined)));
};
