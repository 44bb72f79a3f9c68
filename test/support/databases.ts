import pg from 'pg';

const withClient = async <T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString: url });
  // A test may kill the server; the query that runs then fails by itself.
  client.on('error', () => {});
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
};

/**
 * Makes a database.
 *
 * @param serverUrl the superuser's URL
 * @param template the database to copy. Default: an empty one
 * @returns its URL
 */
export const createDatabase = async (serverUrl: string, name: string, template = 'template1'): Promise<string> => {
  await withClient(serverUrl, (client) =>
    client.query(`CREATE DATABASE ${client.escapeIdentifier(name)} TEMPLATE ${client.escapeIdentifier(template)}`),
  );
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
};

/** Drops a database and cuts off whoever is still connected to it. */
export const dropDatabase = async (serverUrl: string, name: string): Promise<void> => {
  await withClient(serverUrl, (client) =>
    client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(name)} WITH (FORCE)`),
  );
};

/** Runs one statement on a connection of its own, past all our code. */
export const query = async <R extends pg.QueryResultRow>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<R[]> => withClient(url, async (client) => (await client.query<R>(sql, values)).rows);
