import { checkServers } from '../../src/broker/check-servers.ts';
import { openBroker } from '../../src/broker/open-broker.ts';
import type { Config } from '../../src/config.ts';
import { openConfiguredDatabase } from '../../src/database/client.ts';
import type { Logger } from '../../src/logger.ts';
import type { Registry } from '../../src/metrics/registry.ts';
import type { Running } from '../../src/run-process.ts';
import { startManager } from './manager.ts';

/** A manager with connections of its own, as `taskflow manager` runs it. */
export const runManager = async (config: Config, logger: Logger, registry?: Registry): Promise<Running> => {
  const broker = openBroker(config, logger);
  const database = openConfiguredDatabase(config);
  const manager = startManager({ broker, database, config, logger });
  if (registry) {
    const { measureManager } = await import('./measure-manager.ts');
    measureManager(registry, { broker, database, leads: manager.leads, logger });
  }
  return {
    checkReadiness: () => checkServers({ broker, database }),
    stop: async () => {
      await manager.stop();
      broker.close();
      await database.$disconnect();
    },
  };
};
