import { v7 as uuidv7 } from 'uuid';
import type { TaskStatus } from '../../../src/tasks/task-state.ts';
import { cleanUp, type JanitorOptions } from '../../../workers/janitor/janitor.ts';
import type { Summary } from '../../../workers/janitor/summary.ts';
import { query, type TestApp } from '../../support/setup.ts';

export const MS = 1;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** The noon after which nothing of these tests has happened; limits are counted from here. */
export const NOW = new Date('2026-03-20T12:00:00.000Z');
export const ago = (ms: number): Date => new Date(NOW.getTime() - ms);

/** Cleans up once, as if it were `NOW`. */
export const cleanUpAtNow = async (app: TestApp, options: Partial<JanitorOptions> = {}): Promise<Summary> => {
  const signal = new AbortController().signal;
  const summary = await cleanUp({ config: app.config, isDryRun: false, signal, now: NOW, ...options });
  if (!summary) throw new Error('another janitor was at work');
  return summary;
};

/** With other settings than the app's. */
export const settings = (app: TestApp, more: Partial<TestApp['config']>) => ({ config: { ...app.config, ...more } });

/** Makes the partitions of a day: "2026-02-10". */
export const makeDay = async (app: TestApp, day: string): Promise<void> => {
  await query(app.databaseUrl, 'SELECT taskflow_ensure_partitions($1::timestamptz, 1)', [`${day}T00:00:00Z`]);
};

/** The days that have a partition of this table, among those before this year's spring: "2026-02-10". */
export const daysOf = async (app: TestApp, table: 'tasks' | 'task_events' = 'tasks'): Promise<string[]> => {
  const rows = await query<{ day: string }>(
    app.databaseUrl,
    `SELECT to_char(to_date(right(relname, 8), 'YYYYMMDD'), 'YYYY-MM-DD') AS day FROM pg_class
     WHERE relname ~ ('^' || $1 || '_[0-9]{8}$') AND right(relname, 8) < '20260401' ORDER BY 1`,
    [table],
  );
  return rows.map(({ day }) => day);
};

export interface PastTask {
  ownerId: string;
  /** By the clock that made its id. */
  at: Date;
  /** By PostgreSQL's clock. Default: the same. */
  createdAt?: Date;
  /** Default: COMPLETED. */
  status?: TaskStatus;
}

/** Puts tasks and their first events into PostgreSQL, as they were long ago. Returns their ids. */
export const putTasks = async (app: TestApp, tasks: readonly PastTask[]): Promise<string[]> => {
  const ids = tasks.map(({ at }) => uuidv7({ msecs: at.getTime() }));
  const dated = tasks.map((task, i) => ({ createdAt: task.at, ...task, id: ids[i] as string }));
  await app.database.task.createMany({
    data: dated.map(({ id, ownerId, createdAt, status = 'COMPLETED' }) => ({
      id,
      ownerId,
      createdAt,
      status,
      type: 'echo',
      queue: 'default',
      payload: {},
      priority: 'NORMAL',
      seq: 1,
      maxAttempts: 1,
      tags: [],
      finishedAt: ['COMPLETED', 'FAILED', 'CANCELLED'].includes(status) ? createdAt : null,
    })),
  });
  for (const { id, ownerId, createdAt, status = 'COMPLETED' } of dated) {
    const { position } = await app.database.ownerFeed.upsert({
      where: { ownerId },
      create: { ownerId, position: 1 },
      update: { position: { increment: 1 } },
    });
    await app.database.taskEvent.create({
      data: { taskId: id, seq: 1, ownerId, position, status, at: createdAt, attempt: 0 },
    });
  }
  return ids;
};

/** Which of these tasks are still there. */
export const keptOf = async (app: TestApp, ids: readonly string[]): Promise<string[]> => {
  const rows = await app.database.task.findMany({ where: { id: { in: [...ids] } }, select: { id: true } });
  const kept = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => kept.has(id));
};
