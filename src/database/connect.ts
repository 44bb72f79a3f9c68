import pg from 'pg';
import { TaskFlowError } from '../errors.ts';

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * One connection of its own, for what belongs to a session: locks, and settings. The caller calls `end()`.
 *
 * @throws TaskFlowError UNAVAILABLE, of one line, when PostgreSQL cannot be reached
 */
export const connect = async (databaseUrl: string, applicationName = 'taskflow'): Promise<pg.Client> => {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: applicationName,
  });
  // A connection that breaks is reported by the query that runs on it.
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    const reason = error instanceof AggregateError ? error.errors.map(String).join(', ') : (error as Error).message;
    throw new TaskFlowError('UNAVAILABLE', `PostgreSQL cannot be reached: ${reason}`, {}, { cause: error });
  }
  return client;
};
