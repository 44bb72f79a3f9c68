import { checkDatabase } from '../database/check-database.ts';
import type { Database } from '../database/client.ts';
import { type Readiness, toReadiness } from '../readiness.ts';
import { checkLanes } from './check-lanes.ts';
import type { Broker } from './lanes.ts';

interface Servers {
  database: Database;
  broker: Broker;
}

/** Do PostgreSQL and both Redis lanes serve this process? Takes two seconds at most. */
export const checkServers = async ({ database, broker }: Servers): Promise<Readiness> => {
  const [ofDatabase, ofLanes] = await Promise.all([checkDatabase(database), checkLanes(broker)]);
  return toReadiness({ ...ofDatabase, ...ofLanes });
};
