import { chownSync, statSync } from 'node:fs';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '../../src/local/postgres.ts';
import { query } from './databases.ts';
import { FAST_POSTGRES } from './fast-settings.ts';
import { FOLDER_PREFIX } from './sweep.ts';

export interface ReplicaServer extends AsyncDisposable {
  /** Of the same database, at the replica. */
  urlOf(databaseUrl: string): string;
  kill(): Promise<void>;
  start(): Promise<void>;
  /** From now on it receives what the primary writes, but shows nothing of it. */
  pauseReplay(): Promise<void>;
  resumeReplay(): Promise<void>;
}

/**
 * Copies a running server's folder, as pg_basebackup would, which the npm package lacks.
 *
 * @param use a replica gets what was written since from its primary; a restored server has it with the backup
 * @returns the new folder
 */
export const backUp = async (serverUrl: string, use: 'replica' | 'restore'): Promise<string> => {
  const folder = await mkdtemp(FOLDER_PREFIX);
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ data: string }>(`SELECT current_setting('data_directory') AS data`);
    const source = rows[0]?.data as string;
    // The rest of the session keeps the backup open.
    await client.query(`SELECT pg_backup_start('replica', true)`);
    const data = join(folder, 'data');
    const isWanted = (path: string): boolean =>
      !/\/(?:postmaster\.(?:pid|opts)|pg_wal\/.+|pg_replslot\/.+)$/.test(path);
    await cp(source, data, { recursive: true, preserveTimestamps: true, filter: isWanted });
    const stopped = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await writeFile(join(data, 'backup_label'), stopped.rows[0]?.labelfile ?? '');
    if (use === 'replica') await writeFile(join(data, 'standby.signal'), '');
    else await cp(join(source, 'pg_wal'), join(data, 'pg_wal'), { recursive: true });
    await writeFile(join(folder, 'password'), decodeURIComponent(new URL(serverUrl).password), { mode: 0o600 });
    await giveTo(folder, statSync(source));
    return folder;
  } finally {
    await client.end();
  }
};

const giveTo = async (folder: string, { uid, gid }: { uid: number; gid: number }): Promise<void> => {
  for (const entry of await readdir(folder, { recursive: true })) chownSync(join(folder, entry), uid, gid);
};

/** A replica that streams from this server. */
export const startReplica = async (primaryUrl: string): Promise<ReplicaServer> => {
  const folder = await backUp(primaryUrl, 'replica');
  const { hostname, port, username, password } = new URL(primaryUrl);
  const settings = {
    ...FAST_POSTGRES,
    primary_conninfo: `host=${hostname} port=${port} user=${username} password=${password}`,
    hot_standby_feedback: 'on',
  };
  const first = await startPostgres({ folder, settings });
  let server = first;
  return {
    urlOf: (databaseUrl) => {
      const url = new URL(databaseUrl);
      url.port = String(first.port);
      return url.href;
    },
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    start: async () => {
      server = await startPostgres({ folder, settings, port: first.port });
    },
    pauseReplay: async () => void (await query(server.url, 'SELECT pg_wal_replay_pause()')),
    resumeReplay: async () => void (await query(server.url, 'SELECT pg_wal_replay_resume()')),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
