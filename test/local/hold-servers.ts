import { startPostgres } from '../../src/local/postgres.ts';
import { startRedis } from '../../src/local/redis.ts';
import { FAST_POSTGRES } from '../support/fast-settings.ts';

/** Starts both servers in the given folder, says their pids, and stays: the parent that tests kill. */
const folder = process.argv[2] ?? '';
const postgres = await startPostgres({ folder: `${folder}/postgres`, settings: FAST_POSTGRES });
const redis = await startRedis({ folder: `${folder}/redis` });
console.log(`up ${postgres.pid} ${redis.pid}`);
if (process.argv[3] === 'throw') throw new Error('a fault that nobody catches');
setInterval(() => {}, 1e6);
