import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { deleteEnded } from '../../src/operations/delete-tasks.ts';
import { resetEnded } from '../../src/tasks/requeue-store.ts';
import { recordAll, recordWhatContinues, type Term } from '../../workers/manager/record-store.ts';
import type { Factory } from '../support/factory.ts';
import { type FactoryApp, setupFactory } from '../support/factory-app.ts';
import { makeEndedTasks } from '../support/many-tasks.ts';
import { startPrivatePostgres } from '../support/private-servers.ts';
import { query, waitFor } from '../support/setup.ts';
import { beginTermOf, completion } from '../support/transitions.ts';

/*
 * PostgreSQL looks at a row again when it changed while a statement waited for it. Up to 18.4 it then reads freed memory in some
 * statements, which mostly goes well; here what is freed is overwritten (docs/decisions/row-locks-apart.md).
 */

let app: FactoryApp;
let factory: Factory;
let term: Term;

beforeAll(async () => {
  vi.stubEnv('MALLOC_PERTURB_', '165');
  const postgres = await startPrivatePostgres();
  vi.unstubAllEnvs();
  app = await setupFactory({ postgres });
  factory = app.factory;
  term = await beginTermOf(app);
});
afterAll(() => app.close());

/** Does the work while another transaction has changed a row, and commits once the work waits for it. */
const whileSomebodyChanges = async <T>(change: string, id: string, work: () => Promise<T>): Promise<T> => {
  const other = new pg.Client({ connectionString: app.databaseUrl });
  await other.connect();
  try {
    await other.query('BEGIN');
    expect((await other.query(change, [id])).rowCount).toBe(1);
    const done = work();
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await waitFor(async () => (await query(app.databaseUrl, waiting)).length > 0, { what: 'the row is waited for' });
    await other.query('COMMIT');
    return await done;
  } finally {
    await other.end();
  }
};

const CHANGES = {
  shard: 'UPDATE shards SET epoch = epoch + 1 WHERE id = $1',
  feed: 'UPDATE owner_feeds SET position = position WHERE owner_id = $1::uuid',
  task: 'UPDATE tasks SET progress = 5 WHERE id = $1::uuid',
};

test.each(['shard', 'feed', 'task'] as const)('a batch is recorded although its %s changes meanwhile', async (what) => {
  const ownerId = await factory.owner();
  const tasks = await factory.submit(Array.from({ length: 5 }, () => ({ ownerId })));
  const [first, ...others] = tasks.map((task) => completion(task));
  const changed = { shard: term.shardId, feed: ownerId, task: tasks[0]?.id as string };
  const record = () => recordAll(app.database, term, first ?? []);
  const { changes } = await whileSomebodyChanges(CHANGES[what], changed[what], record);
  expect(changes.map(({ seq }) => seq)).toEqual([2, 3]);
  const sortOut = () => recordWhatContinues(app.database, term, [...(first ?? []), ...others.flat()]);
  const { changes: more, repeated } = await whileSomebodyChanges(CHANGES[what], changed[what], sortOut);
  expect([more.length, repeated.length]).toEqual([8, 2]);
});

test('ended tasks are deleted although one of them changes meanwhile', async () => {
  const ownerId = await factory.owner();
  const ids = await makeEndedTasks(app, { ownerId, count: 5, status: 'COMPLETED' });
  const remove = () => app.database.$transaction((transaction) => deleteEnded(transaction, ids));
  expect(await whileSomebodyChanges(CHANGES.task, ids[0] as string, remove)).toBe(5);
  expect(await app.database.taskEvent.count({ where: { ownerId } })).toBe(0);
});

test('ended tasks are put back although one of them changes meanwhile', async () => {
  const ownerId = await factory.owner();
  const ids = await makeEndedTasks(app, { ownerId, count: 5, status: 'FAILED' });
  const reset = () => app.database.$transaction((transaction) => resetEnded(transaction, ownerId, ids));
  expect(await whileSomebodyChanges(CHANGES.task, ids[0] as string, reset)).toHaveLength(5);
  expect(await app.database.task.count({ where: { ownerId, status: 'QUEUED' } })).toBe(5);
});
