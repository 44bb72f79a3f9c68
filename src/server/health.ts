import type { ServerResponse } from 'node:http';
import type { Broker, Lane } from '../broker/lanes.ts';
import type { Database } from '../database/client.ts';
import { findMissingMigrations } from '../database/missing-migrations.ts';

/** How long a part may take to answer, in ms: whoever asks wants to know now. */
const TIMEOUT_MS = 2_000;

/** Each part with "ok" or why it cannot serve. */
export interface Readiness {
  isReady: boolean;
  parts: { postgresql: string; migrations: string; redisHigh: string; redisLow: string };
}

interface Parts {
  database: Database;
  broker: Broker;
}

/** Can this process serve? Asks PostgreSQL and both Redis lanes; takes two seconds at most. */
export const checkReadiness = async ({ database, broker }: Parts): Promise<Readiness> => {
  const [{ postgresql, migrations }, redisHigh, redisLow] = await Promise.all([
    checkDatabase(database),
    checkLane(broker.high),
    checkLane(broker.low),
  ]);
  const parts = { postgresql, migrations, redisHigh, redisLow };
  return { isReady: Object.values(parts).every((answer) => answer === OK), parts };
};

const OK = 'ok';

const checkDatabase = async (database: Database): Promise<{ postgresql: string; migrations: string }> => {
  try {
    const missing = await inTime(findMissingMigrations(database));
    return {
      postgresql: OK,
      migrations: missing.length === 0 ? OK : `not applied: ${missing.join(', ')}; run taskflow migrate`,
    };
  } catch {
    return { postgresql: 'cannot be reached', migrations: 'not known' };
  }
};

const checkLane = async ({ redis }: Lane): Promise<string> => {
  try {
    await inTime(redis.ping());
    return OK;
  } catch {
    return 'cannot be reached';
  }
};

const inTime = async <T>(answer: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), TIMEOUT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** Answers with JSON that nobody may cache. */
export const answerJson = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
};
