import { loadConfig } from '../config.ts';
import { openConfiguredDatabase } from '../database/client.ts';
import type { User } from './account-store.ts';
import { setAdmin } from './manage-users.ts';

/** The email, the username, whether it is an admin, and since when, with tabs between. */
const describe = ({ email, username, isAdmin, createdAt }: User): string =>
  [email, username, isAdmin ? 'admin' : 'user', createdAt.toISOString().slice(0, 10)].join('\t');

/**
 * `taskflow users promote|demote <email or username>`, straight in PostgreSQL: it needs no admin who can log in.
 *
 * @throws TaskFlowError NOT_FOUND
 */
export const runSetAdmin = async (identifier: string, isAdmin: boolean): Promise<void> => {
  const database = openConfiguredDatabase(loadConfig(['database']));
  try {
    process.stdout.write(`${describe(await setAdmin(database, identifier, isAdmin))}\n`);
  } finally {
    await database.$disconnect();
  }
};
