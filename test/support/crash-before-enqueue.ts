// A process that submits tasks as the api does, and is killed (SIGKILL, by itself) when the commit is done and the first
// word to Redis would follow. Arguments: owner, how many.
import { pino } from 'pino';
import { openBroker } from '../../src/broker/open-broker.ts';
import { loadConfig } from '../../src/config.ts';
import { openConfiguredDatabase } from '../../src/database/client.ts';
import { Epochs } from '../../src/tasks/epochs.ts';
import { submitTasks } from '../../src/tasks/submit-tasks.ts';
import { TaskWriter } from '../../src/tasks/task-writer.ts';

const [ownerId = '', count = '1'] = process.argv.slice(2);
const config = loadConfig(['database']);
const logger = pino({ level: 'silent' });
const broker = openBroker(config, logger);
await broker.ready();
const epochs = new Epochs(broker, 100, logger);
while (broker.shards.some((shard) => !epochs.snapshot().has(shard.id))) await epochs.refresh();
for (const { redis } of broker.lanes) {
  const die = (): never => {
    process.kill(process.pid, 'SIGKILL');
    throw new Error('unreachable');
  };
  Object.assign(redis, { fcall: die, publish: die });
}
const database = openConfiguredDatabase(config);
const taskRules = {
  maxPayloadBytes: config.MAX_PAYLOAD_BYTES,
  prepare: async () => {},
  checkPayload: () => {},
  defaultsOf: () => undefined,
  isDraining: () => false,
};
const task = { type: 'echo', payload: 'orphan', queue: 'default', priority: 'NORMAL' as const, maxAttempts: 3 };
await submitTasks(
  { database, taskWriter: new TaskWriter(database, broker, epochs, logger), taskRules },
  ownerId,
  Array.from({ length: Number(count) }, () => task),
);
