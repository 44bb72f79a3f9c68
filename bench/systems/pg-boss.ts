import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Pool } from 'pg';
import { PgBoss } from 'pg-boss';
import { Children } from '../children.ts';
import type { Servers } from '../servers.ts';
import { type Contestant, inParallel, PAYLOAD, type System } from './system.ts';

const WORKER = fileURLToPath(new URL('../workers/pg-boss.ts', import.meta.url));
const QUEUE = 'bench';

const open = async ({ databaseUrl }: Servers): Promise<System> => {
  const pool = new Pool({ connectionString: databaseUrl, max: 2 });
  // Connections that the server ends are no fault: it is stopped in the end.
  pool.on('error', () => undefined);
  const boss = new PgBoss({ connectionString: databaseUrl, supervise: false, schedule: false, useListenNotify: true });
  boss.on('error', () => undefined);
  await boss.start();
  await boss.createQueue(QUEUE, { notify: true });
  const children = new Children();
  const isIdle = async (): Promise<boolean> => {
    const { rows } = await pool.query("SELECT 1 FROM pgboss.job WHERE name = $1 AND state < 'completed' LIMIT 1", [
      QUEUE,
    ]);
    return rows.length === 0;
  };
  return {
    submit: (options) =>
      inParallel(options, (size) =>
        size === 1
          ? boss.send(QUEUE, PAYLOAD)
          : boss.insert(
              QUEUE,
              Array.from({ length: size }, () => ({ data: PAYLOAD })),
            ),
      ),
    startWorkers: async (count) => {
      const env = { DATABASE_URL: databaseUrl, QUEUE };
      await Promise.all(Array.from({ length: count }, () => children.start([WORKER], env, 'ready')));
    },
    stopWorkers: () => children.stop(),
    untilEnded: async () => {
      while (!(await isIdle())) await delay(10);
    },
    submitAndWait: async () => {
      const id = await boss.send(QUEUE, PAYLOAD);
      const ended = async (): Promise<boolean> => {
        const { rows } = await pool.query(
          "SELECT 1 FROM pgboss.job WHERE name = $1 AND id = $2 AND state = 'completed'",
          [QUEUE, id],
        );
        return rows.length > 0;
      };
      while (!(await ended()));
    },
    [Symbol.asyncDispose]: async () => {
      await children.stop();
      await boss.stop({ graceful: true, timeout: 5_000 });
      await pool.end();
    },
  };
};

export const pgBoss: Contestant = {
  name: 'pg-boss',
  keeps: 'the row of a job with its last state and output in PostgreSQL; not each transition',
  open,
};
