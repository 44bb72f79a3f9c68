import { loadConfig } from '../config.ts';
import { type Database, openConfiguredDatabase } from '../database/client.ts';
import { listUsers, type User } from './account-store.ts';
import { setAdmin } from './manage-users.ts';

const withDatabase = async (work: (database: Database) => Promise<User[]>): Promise<void> => {
  const database = openConfiguredDatabase(loadConfig(['database']));
  try {
    process.stdout.write(describe(await work(database)));
  } finally {
    await database.$disconnect();
  }
};

/** A line for each user, with tabs between: the email, the username, whether it is an admin, and since when. */
const describe = (users: readonly User[]): string =>
  users
    .map(({ email, username, isAdmin, createdAt }) =>
      [email, username, isAdmin ? 'admin' : 'user', createdAt.toISOString().slice(0, 10)].join('\t').concat('\n'),
    )
    .join('');

/** `taskflow users list` */
export const runListUsers = (): Promise<void> => withDatabase(listUsers);

/**
 * `taskflow users promote|demote <email or username>`
 *
 * @throws TaskFlowError NOT_FOUND
 */
export const runSetAdmin = (identifier: string, isAdmin: boolean): Promise<void> =>
  withDatabase(async (database) => [await setAdmin(database, identifier, isAdmin)]);
