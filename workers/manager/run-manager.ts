import { openBroker } from '../../src/broker/open-broker.ts';
import type { Config } from '../../src/config.ts';
import { openConfiguredDatabase } from '../../src/database/client.ts';
import type { Logger } from '../../src/logger.ts';
import { startManager } from './manager.ts';

/** A manager with connections of its own, as `taskflow manager` runs it. */
export const runManager = (config: Config, logger: Logger): { stop(): Promise<void> } => {
  const broker = openBroker(config, logger);
  const database = openConfiguredDatabase(config);
  const manager = startManager({ broker, database, config, logger });
  return {
    stop: async () => {
      await manager.stop();
      broker.close();
      await database.$disconnect();
    },
  };
};
