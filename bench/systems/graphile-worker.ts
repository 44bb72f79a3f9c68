import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeWorkerUtils } from 'graphile-worker';
import { Pool } from 'pg';
import { Children } from '../children.ts';
import type { Servers } from '../servers.ts';
import { type Contestant, inParallel, PAYLOAD, type System } from './system.ts';

const WORKER = fileURLToPath(new URL('../workers/graphile-worker.ts', import.meta.url));
const SPEC = { identifier: 'noop', payload: PAYLOAD };

const open = async ({ databaseUrl }: Servers): Promise<System> => {
  const pool = new Pool({ connectionString: databaseUrl, max: 10 });
  // Connections that the server ends are no fault: it is stopped in the end.
  pool.on('error', () => undefined).on('connect', (client) => client.on('error', () => undefined));
  const utils = await makeWorkerUtils({ pgPool: pool });
  await utils.migrate();
  const children = new Children();
  const isEmpty = async (): Promise<boolean> => {
    const { rows } = await pool.query('SELECT 1 FROM graphile_worker._private_jobs LIMIT 1');
    return rows.length === 0;
  };
  return {
    submit: (options) =>
      inParallel(options, (size) =>
        size === 1 ? utils.addJob(SPEC.identifier, PAYLOAD) : utils.addJobs(Array.from({ length: size }, () => SPEC)),
      ),
    startWorkers: async (count) => {
      const env = { DATABASE_URL: databaseUrl };
      await Promise.all(Array.from({ length: count }, () => children.start([WORKER], env, 'ready')));
    },
    stopWorkers: () => children.stop(),
    untilEnded: async () => {
      while (!(await isEmpty())) await delay(10);
    },
    submitAndWait: async () => {
      const { id } = await utils.addJob(SPEC.identifier, PAYLOAD);
      // It announces no ends: the row is gone then.
      while ((await pool.query('SELECT 1 FROM graphile_worker._private_jobs WHERE id = $1', [id])).rows.length > 0);
    },
    [Symbol.asyncDispose]: async () => {
      await children.stop();
      await utils.release();
      await pool.end();
    },
  };
};

export const graphileWorker: Contestant = {
  name: 'graphile-worker',
  keeps: 'nothing: the row of a completed job is deleted',
  open,
};
