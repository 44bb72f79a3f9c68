import { ANSWER_MS, OK } from '../readiness.ts';
import { within } from '../within.ts';
import type { Database } from './client.ts';
import { findMissingMigrations } from './missing-migrations.ts';

const AWAY = { postgresql: 'cannot be reached', migrations: 'not known' };

/** Does PostgreSQL answer, and has it this version's tables? Takes two seconds at most. */
export const checkDatabase = async (database: Database): Promise<{ postgresql: string; migrations: string }> => {
  try {
    const answer = findMissingMigrations(database);
    if (!(await within(ANSWER_MS, answer))) return AWAY;
    const missing = await answer;
    const migrations = missing.length === 0 ? OK : `not applied: ${missing.join(', ')}; run taskflow migrate`;
    return { postgresql: OK, migrations };
  } catch {
    return AWAY;
  }
};
