import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StreamedTransition } from '../../../src/broker/event-stream.ts';
import { type Database, sqlState } from '../../../src/database/client.ts';
import type { Task } from '../../../src/tasks/task-store.ts';
import { beginTerm } from '../../../workers/manager/reconcile-store.ts';
import {
  findPositions,
  recordAll,
  recordWhatContinues,
  type Term,
  TermOverError,
} from '../../../workers/manager/record-store.ts';
import type { Factory } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { findContradictions } from '../../support/invariants.ts';
import { query } from '../../support/setup.ts';
import { beginTermOf, completion, transitionOf } from '../../support/transitions.ts';

let app: FactoryApp;
let factory: Factory;
let term: Term;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
  term = await beginTermOf(app);
});
afterAll(() => app.close());

const dump = async (ownerId: string) => ({
  tasks: await app.database.task.findMany({ where: { ownerId }, orderBy: { id: 'asc' } }),
  events: await app.database.taskEvent.findMany({ where: { ownerId }, orderBy: { position: 'asc' } }),
  feed: await app.database.ownerFeed.findMany({ where: { ownerId } }),
  minutes: await app.database.queueMinute.findMany({ orderBy: { queue: 'asc' } }),
});

const ownTasks = async (count: number, queue = 'default'): Promise<Task[]> => {
  const ownerId = await factory.owner();
  return factory.submit(Array.from({ length: count }, () => ({ ownerId, queue })));
};

const record = (transitions: readonly StreamedTransition[]) => recordAll(app.database, term, transitions);
const sortOut = (transitions: readonly StreamedTransition[]) => recordWhatContinues(app.database, term, transitions);
const reference = ({ taskId, seq, status }: StreamedTransition) => `${taskId} ${seq} ${status}`;

describe('recording a batch', () => {
  test('updates tasks, adds events and gives them places in the feed', async () => {
    const [a, b] = (await ownTasks(2)) as [Task, Task];
    const { changes } = await record([...completion(a, { x: 1 }), transitionOf(b, 2, 'PROCESSING')]);
    expect(changes.map(({ position, taskId, seq, status }) => [position, taskId, seq, status])).toEqual([
      [3, a.id, 2, 'PROCESSING'],
      [4, a.id, 3, 'COMPLETED'],
      [5, b.id, 2, 'PROCESSING'],
    ]);
    expect(await factory.task(a.id)).toMatchObject({
      status: 'COMPLETED',
      seq: 3,
      result: { x: 1 },
      workerId: 'worker-1',
    });
    expect(await factory.task(b.id)).toMatchObject({ status: 'PROCESSING', seq: 2, attempt: 1, finishedAt: null });
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('touches no index: none stands on what a transition changes', async () => {
    const ownerId = await factory.owner();
    const [task] = (await factory.submit([{ ownerId, tags: ['indexed'] }])) as [Task];
    const [start, end] = completion(task, { x: 1 }) as [StreamedTransition, StreamedTransition];
    const [row] = await app.database.$transaction(async (transaction) => {
      await recordAll(transaction as unknown as Database, term, [start]);
      await recordAll(transaction as unknown as Database, term, [end]);
      return transaction.$queryRaw<{ updates: number; hot: number }[]>`
        SELECT sum(pg_stat_get_xact_tuples_updated(inhrelid))::int AS updates, sum(pg_stat_get_xact_tuples_hot_updated(inhrelid))::int AS hot
        FROM pg_inherits WHERE inhparent = 'tasks'::regclass`;
    });
    // Those of earlier transactions on this connection may be counted, too.
    expect(row?.updates).toBeGreaterThanOrEqual(2);
    expect(row?.hot).toBe(row?.updates);
  });

  test('writes several transitions of a task as one update', async () => {
    await query(app.databaseUrl, 'CREATE TABLE updates (id uuid)');
    await query(
      app.databaseUrl,
      `CREATE FUNCTION count_update() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO updates VALUES (new.id); RETURN NULL; END'`,
    );
    await query(
      app.databaseUrl,
      'CREATE TRIGGER counts AFTER UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION count_update()',
    );
    const tasks = await ownTasks(20);
    const attempts = tasks.flatMap((task) => [
      transitionOf(task, 2, 'PROCESSING'),
      transitionOf(task, 3, 'QUEUED', { data: '{"reason":"RELEASED"}', attempt: 0 }),
      transitionOf(task, 4, 'PROCESSING'),
      transitionOf(task, 5, 'SCHEDULED', { runAtMs: Date.now(), data: '{"message":"no"}' }),
      transitionOf(task, 6, 'QUEUED'),
      transitionOf(task, 7, 'PROCESSING', { attempt: 2 }),
      transitionOf(task, 8, 'COMPLETED', { attempt: 2, data: '1' }),
    ]);
    await record(attempts);
    expect(await query(app.databaseUrl, 'SELECT DISTINCT id FROM updates')).toHaveLength(20);
    expect(await query(app.databaseUrl, 'SELECT id FROM updates')).toHaveLength(20);
    await query(app.databaseUrl, 'DROP TRIGGER counts ON tasks');
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('again changes nothing, and finds the same positions', async () => {
    const [a, b] = (await ownTasks(2, 'again')) as [Task, Task];
    const transitions = [...completion(a), ...completion(b)];
    const { changes } = await record(transitions);
    const before = await dump(a.ownerId);

    await expect(record(transitions).catch((error) => Promise.reject(new Error(sqlState(error))))).rejects.toThrow(
      '22012',
    );
    const again = await sortOut(transitions);

    expect(again).toEqual({ changes: [], repeated: transitions, refused: [], hasEndedParents: false });
    expect(await findPositions(app.database, again.repeated)).toEqual(changes);
    expect(await dump(a.ownerId)).toEqual(before);
  });

  test('of which a part was recorded before writes the rest', async () => {
    const [a, b] = (await ownTasks(2)) as [Task, Task];
    await record([transitionOf(a, 2, 'PROCESSING')]);
    const transitions = [...completion(a), ...completion(b)];
    const { changes, repeated, refused } = await sortOut(transitions);
    expect(repeated.map(reference)).toEqual([`${a.id} 2 PROCESSING`]);
    expect(changes.map(reference)).toEqual([`${a.id} 3 COMPLETED`, `${b.id} 2 PROCESSING`, `${b.id} 3 COMPLETED`]);
    expect(refused).toEqual([]);
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('refuses what contradicts PostgreSQL, and writes the rest', async () => {
    const [gap, illegal, ended, fine, gone] = (await ownTasks(5)) as [Task, Task, Task, Task, Task];
    await record(completion(ended));
    const lost = { ...gone, id: uuidv7() };
    const orphan = await factory.queued({ ownerId: await factory.owner() });
    await app.database.ownerFeed.delete({ where: { ownerId: orphan.ownerId } });
    const wrong = [
      transitionOf(gap, 3, 'PROCESSING'),
      transitionOf(illegal, 2, 'COMPLETED'),
      transitionOf(ended, 4, 'QUEUED'),
      transitionOf(lost, 2, 'PROCESSING'),
      transitionOf(orphan, 2, 'PROCESSING'),
    ];
    const { changes, repeated, refused } = await sortOut([...wrong, ...completion(fine)]);
    expect(refused).toEqual(wrong);
    expect(repeated).toEqual([]);
    expect(changes.map(reference)).toEqual(completion(fine).map(reference));
    await app.database.ownerFeed.create({ data: { ownerId: orphan.ownerId, position: 1 } });
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('tells no position for a transition that PostgreSQL has otherwise', async () => {
    const [task] = (await ownTasks(1)) as [Task];
    await record(completion(task));
    expect(await findPositions(app.database, [transitionOf(task, 3, 'FAILED')])).toEqual([]);
  });

  test('writes nothing for a leader whose term is over', async () => {
    const [task] = (await ownTasks(1, 'term')) as [Task];
    const before = await dump(task.ownerId);
    const older = { ...term, term: term.term - 1n };
    await expect(recordAll(app.database, older, completion(task))).rejects.toThrow();
    await expect(recordWhatContinues(app.database, older, completion(task))).rejects.toThrow(TermOverError);
    expect(await dump(task.ownerId)).toEqual(before);
  });

  test('waits for a new leader that is just beginning, and then writes nothing', async () => {
    const [task] = (await ownTasks(1)) as [Task];
    const mine = { shardId: 'high:0', term: await beginTerm(app.database, 'high:0') };
    const recording = app.database.$transaction(async (transaction) => {
      await transaction.$executeRaw`UPDATE shards SET term = term + 1 WHERE id = 'high:0'`;
      const writing = recordAll(app.database, mine, completion(task));
      writing.catch(() => undefined);
      await app.database.$queryRaw`SELECT 1`;
      return { writing };
    });
    await expect((await recording).writing).rejects.toThrow();
    expect(await factory.task(task.id)).toMatchObject({ seq: 1, status: 'QUEUED' });
  });
});

describe('what a worker sent that is no JSON', () => {
  test.each([
    ['plain text', 'it broke', 'it broke'],
    ['half of it', '{"a":', '{"a":'],
    ['a number that JSON does not have', 'NaN', 'NaN'],
    ['lists in lists without end', '['.repeat(60_000), '['.repeat(60_000)],
    [
      'deeper lists than PostgreSQL reads',
      `${'['.repeat(60_000)}${']'.repeat(60_000)}`,
      `${'['.repeat(60_000)}${']'.repeat(60_000)}`,
    ],
    ['brackets in a text', JSON.stringify('['.repeat(60_000)), '['.repeat(60_000)],
    ['half of a surrogate pair', '"\\ud800"', '\ud800'],
    ['an escaped NUL', '"a\\u0000"', 'a\0'],
  ])('is recorded and published as a text: %s', async (_, data, expected) => {
    const [bad, good] = (await ownTasks(2)) as [Task, Task];
    const [claimed] = completion(bad) as [StreamedTransition];
    const { changes, refused } = await sortOut([
      claimed,
      transitionOf(bad, 3, 'COMPLETED', { data }),
      ...completion(good),
    ]);
    expect(refused).toEqual([]);
    expect(JSON.parse(changes[1]?.data ?? '')).toBe(expected);
    expect((await factory.task(bad.id)).result).toBe(expected);
    expect((await factory.task(good.id)).result).toBe('done');
  });

  test('is published so when it is repeated, too', async () => {
    const [task] = (await ownTasks(1)) as [Task];
    const [claimed] = completion(task) as [StreamedTransition];
    const transitions = [claimed, transitionOf(task, 3, 'FAILED', { data: 'it broke' })];
    await sortOut(transitions);
    const { repeated } = await sortOut(transitions);
    expect(repeated.map(({ data }) => data)).toEqual(['', '"it broke"']);
  });

  test('may be nothing at all', async () => {
    const [task] = (await ownTasks(1)) as [Task];
    const [claimed] = completion(task) as [StreamedTransition];
    await record([claimed, transitionOf(task, 3, 'COMPLETED')]);
    expect(await factory.task(task.id)).toMatchObject({ status: 'COMPLETED', result: null });
  });
});

describe('the counts of what ended', () => {
  test('go by queue and minute, and do not grow when a batch is repeated', async () => {
    const atMs = Date.UTC(2031, 0, 1, 10, 0, 30);
    const [a, b, c, d] = (await ownTasks(4, 'counted')) as [Task, Task, Task, Task];
    const end = (task: Task, status: string, ms: number) => [
      transitionOf(task, 2, 'PROCESSING'),
      transitionOf(task, 3, status, { atMs: ms, data: '1' }),
    ];
    const first = [...end(a, 'COMPLETED', atMs), ...end(b, 'FAILED', atMs + 1)];
    const second = [...end(c, 'CANCELLED', atMs + 2), ...end(d, 'COMPLETED', atMs + 60_000)];
    await record(first);
    await record(second);
    await sortOut([...first, ...second]);
    const rows = await app.database.queueMinute.findMany({ where: { queue: 'counted' }, orderBy: { minute: 'asc' } });
    const took = (task: Task, ms: number) =>
      BigInt(ms - Number.parseInt(task.id.slice(0, 8) + task.id.slice(9, 13), 16));
    expect(rows).toEqual([
      {
        queue: 'counted',
        minute: new Date('2031-01-01T10:00:00Z'),
        completed: 1,
        failed: 1,
        cancelled: 1,
        totalMs: took(a, atMs),
      },
      {
        queue: 'counted',
        minute: new Date('2031-01-01T10:01:00Z'),
        completed: 1,
        failed: 0,
        cancelled: 0,
        totalMs: took(d, atMs + 60_000),
      },
    ]);
  });
});
