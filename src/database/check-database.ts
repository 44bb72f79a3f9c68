import { inTime, OK } from '../readiness.ts';
import type { Database } from './client.ts';
import { findMissingMigrations } from './missing-migrations.ts';

/** Does PostgreSQL answer, and has it this version's tables? Takes two seconds at most. */
export const checkDatabase = async (database: Database): Promise<{ postgresql: string; migrations: string }> => {
  try {
    const missing = await inTime(findMissingMigrations(database));
    const migrations = missing.length === 0 ? OK : `not applied: ${missing.join(', ')}; run taskflow migrate`;
    return { postgresql: OK, migrations };
  } catch {
    return { postgresql: 'cannot be reached', migrations: 'not known' };
  }
};
