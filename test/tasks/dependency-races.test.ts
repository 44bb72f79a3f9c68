import { setTimeout as delay } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claim, complete } from '../../src/broker/calls.ts';
import { type DatabaseSession, openDatabase } from '../../src/database/client.ts';
import { toNewTask } from '../../src/tasks/new-task.ts';
import { resolveDependencies } from '../../src/tasks/resolve-dependencies.ts';
import { submitTasks } from '../../src/tasks/submit-tasks.ts';
import { takeParents } from '../../src/tasks/take-parents.ts';
import type { Task } from '../../src/tasks/task-store.ts';
import { TaskWriter } from '../../src/tasks/task-writer.ts';
import { type DependencyRunner, startDependencyRunner } from '../../workers/manager/dependency-runner.ts';
import { Handover } from '../../workers/manager/handover.ts';
import { recordAll } from '../../workers/manager/record-store.ts';
import { Dependents } from '../support/dependencies.ts';
import { type Factory, silent, taskInput } from '../support/factory.ts';
import { type FactoryApp, setupFactory } from '../support/factory-app.ts';
import { findContradictions } from '../support/invariants.ts';
import { beginTestTerm } from '../support/leading.ts';
import { recordQueries } from '../support/queries.ts';
import { waitFor } from '../support/setup.ts';
import { completion } from '../support/transitions.ts';

let app: FactoryApp;
let factory: Factory;
let dependents: Dependents;

beforeAll(async () => {
  app = await setupFactory({ settings: { DATABASE_POOL_SIZE: '15' } });
  factory = app.factory;
  dependents = new Dependents(app, factory);
});
afterAll(() => app.close());

const submit: Dependents['submit'] = (more) => dependents.submit(more);

/** Managers of other processes, as far as dependencies go. */
const withRunners = async (count: number, work: (runners: DependencyRunner[]) => Promise<void>): Promise<void> => {
  const handovers = Array.from({ length: count }, () => new Handover({ ...app, logger: silent }));
  const runners = handovers.map((handover) => startDependencyRunner({ ...app, handover, logger: silent }));
  try {
    await work(runners);
  } finally {
    await Promise.all(runners.map((runner) => runner.stop()));
    await Promise.all(handovers.map((handover) => handover.close()));
  }
};

/** Completes whatever is queued, with a recorder that records it, until `isDone`. */
const runEverything = async (queue: string, isDone: () => Promise<boolean>): Promise<void> => {
  const [shard] = app.broker.low.shards;
  if (!shard) throw new Error('no shard');
  await using term = await beginTestTerm(app, shard);
  const recording = term.record();
  recording.catch(() => undefined);
  while (!(await isDone())) {
    const held = await claim(shard, {
      worker: 'w',
      limit: 20,
      leaseMs: 30_000,
      lowFirst: 0,
      queues: queue,
      types: 'echo',
    });
    if (held.length > 0)
      await complete(
        shard,
        { worker: 'w' },
        held.map(({ id, token }) => ({ id, token, result: `"${id}"` })),
      );
    else await delay(2);
  }
};

const waitingForLocks = async (): Promise<bigint> => {
  const [row] = await app.database.$queryRaw<[{ count: bigint }]>`
    SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE a.datname = current_database() AND NOT l.granted`;
  return row.count;
};

describe('a parent that ends while its child is submitted', () => {
  test('never leaves the child waiting, however the two meet', { timeout: 60_000 }, async () => {
    const ownerId = await factory.owner();
    const queue = `q-${uuidv7().slice(-12)}`;
    const ROUNDS = 12;
    const PARENTS = 20;
    const children: Task[] = [];
    let isSubmitting = true;
    await withRunners(2, async () => {
      const submitting = (async () => {
        for (let round = 0; round < ROUNDS; round++) {
          const parents = await submitTasks(
            factory.services,
            ownerId,
            Array.from({ length: PARENTS }, () => taskInput({ queue })),
          );
          // Each waits for two parents, which are just being claimed and completed in batches.
          const made = await Promise.all(
            parents.map(({ id }, i) =>
              submitTasks(factory.services, ownerId, [
                taskInput({ queue, dependsOn: [id, parents[(i + 7) % PARENTS]?.id ?? id] }),
              ]),
            ),
          );
          children.push(...made.flat());
        }
        isSubmitting = false;
      })();
      await runEverything(queue, async () => {
        if (isSubmitting) return false;
        return (await app.database.task.count({ where: { ownerId, finishedAt: null } })) === 0;
      });
      await submitting;
    });
    expect(await app.database.task.count({ where: { ownerId, status: 'COMPLETED' } })).toBe(2 * ROUNDS * PARENTS);
    expect(await dependents.leftOver()).toEqual({ ended: 0, pending: 0 });
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('cannot end unnoticed once the submission has looked at it', async () => {
    const parent = await submit();
    const child = toNewTask(parent.ownerId, taskInput({ dependsOn: [parent.id] }), 'input', factory.services.taskRules);
    const [shard] = app.broker.low.shards;
    if (!shard) throw new Error('no shard');
    await using term = await beginTestTerm(app, shard);
    let recording: ReturnType<typeof recordAll> | undefined;
    const { afterCommit } = await app.database.$transaction(async (transaction) => {
      // Whoever records comes just after the first look at the parent.
      const looking: DatabaseSession = new Proxy(transaction, {
        get: (target, name) =>
          name === '$queryRaw'
            ? async (...args: Parameters<DatabaseSession['$queryRaw']>) => {
                const rows = await target.$queryRaw(...args);
                recording ??= recordAll(app.database, term.term, completion(parent));
                await Promise.race([recording, waitFor(async () => (await waitingForLocks()) > 0n)]);
                return rows;
              }
            : Reflect.get(target, name).bind(target),
      });
      await takeParents(looking, parent.ownerId, [child], () => 'input');
      return factory.writer.writeWithin(transaction, [child], factory.epochs.snapshot());
    });
    afterCommit();
    expect((await recording)?.hasEndedParents).toBe(true);
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['QUEUED']);
  });

  test('is not waited for while its row is being written: the submission is tried again', async () => {
    const parent = await submit();
    const database = openDatabase({ url: app.databaseUrl, poolSize: 1, timeoutMs: 5_000 });
    const isLocked = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const recording = database.$transaction(async (transaction) => {
      await transaction.$executeRaw`UPDATE tasks SET attempt = 1 WHERE id = ${parent.id}::uuid`;
      isLocked.resolve();
      await mayCommit.promise;
    });
    await isLocked.promise;
    const queries = recordQueries();
    const submitting = submit({ dependsOn: [parent.id] });
    const isRefused = (times: number) => queries.filter((sql) => sql.includes('NOWAIT')).length > times;
    for (const times of [1, 2, 3]) {
      await waitFor(() => isRefused(times), { what: 'it has tried again' });
      expect(await waitingForLocks()).toBe(0n);
    }
    mayCommit.resolve();
    await recording;
    const child = await submitting;
    expect(child).toMatchObject({ status: 'WAITING' });
    await dependents.cancel([child.id]);
    await database.$disconnect();
  });
});

describe('several managers', () => {
  test('set a child free once whose parents end at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      const parents: Task[] = [];
      for (let i = 0; i < 6; i++) parents.push(await submit());
      const children = await factory.submit(
        Array.from({ length: 30 }, (_, i) => ({
          queue: `q-${uuidv7().slice(-12)}`,
          dependsOn: parents.slice(i % 5).map(({ id }) => id),
        })),
      );
      for (const parent of parents) await dependents.end(parent, {});
      // One entry a transaction: otherwise the first would take them all.
      const writers = Array.from({ length: 6 }, () => new TaskWriter(app.database, app.broker, factory.epochs, silent));
      await Promise.all(
        writers.map(async (taskWriter) => {
          while ((await resolveDependencies({ database: app.database, taskWriter, logger: silent }, { ends: 1 })) > 0);
          await taskWriter.close();
        }),
      );
      await dependents.resolve();
      expect(new Set(await dependents.statuses(children))).toEqual(new Set(['QUEUED']));
      const events = await app.database.taskEvent.count({ where: { taskId: { in: children.map(({ id }) => id) } } });
      expect(events).toBe(2 * children.length);
    }
    expect((await dependents.leftOver()).ended).toBe(0);
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('and those who cancel agree on each task', async () => {
    for (let round = 0; round < 5; round++) {
      const parent = await submit();
      const children = await factory.submit(
        Array.from({ length: 40 }, () => ({ queue: `q-${uuidv7().slice(-12)}`, dependsOn: [parent.id] })),
      );
      await dependents.end(parent, {});
      const ids = children.map(({ id }) => id);
      const [cancelled] = await Promise.all([
        dependents.cancel(ids.slice(0, 20)),
        dependents.resolve(),
        dependents.cancel(ids.slice(10, 20)),
      ]);
      await dependents.resolve();
      const statuses = await dependents.statuses(children);
      expect(statuses.filter((status) => status === 'WAITING')).toEqual([]);
      for (const id of cancelled) expect(statuses[ids.indexOf(id)]).toBe('CANCELLED');
      expect(statuses.slice(20)).toEqual(Array.from({ length: 20 }, () => 'QUEUED'));
    }
    expect(await findContradictions(app.database)).toEqual([]);
  });
});

describe('a manager', () => {
  test('is woken by whoever ends a parent in PostgreSQL, or submits after one that ended', async () => {
    await withRunners(1, async () => {
      const parent = await submit();
      await dependents.end(parent, {});
      const isFree = async (task: Task) => (await dependents.statuses([task]))[0] === 'QUEUED';
      const begunAt = performance.now();
      for (let round = 0; round < 10; round++) {
        const child = await submit({ dependsOn: [parent.id] });
        await waitFor(() => isFree(child), { what: 'the child is free' });
        const other = await submit({ dependsOn: [(await submit()).id] });
        const grandchild = await submit({ dependsOn: [other.id], onParentFailure: 'RUN' });
        await dependents.cancel([other.id]);
        await waitFor(() => isFree(grandchild), { what: 'the grandchild is free' });
      }
      // Without the messages, each of the twenty would wait for half a second on average.
      expect(performance.now() - begunAt).toBeLessThan(6_000);
    });
  });

  test('goes on with the others when one end cannot be dealt with', async () => {
    const [bad, good] = [await submit(), await submit()];
    const stuck = await submit({ dependsOn: [bad.id] });
    const free = await submit({ dependsOn: [good.id] });
    await dependents.end(bad, {});
    await dependents.end(good, {});
    // A feed that is gone makes every transaction that moves its owner's tasks fail.
    await app.database.$executeRaw`UPDATE tasks SET owner_id = ${uuidv7()}::uuid WHERE id = ${stuck.id}::uuid`;
    const services = { ...factory.services, logger: silent };
    for (let i = 0; i < 4; i++) await resolveDependencies(services, { ends: 1 });
    expect(await dependents.statuses([stuck, free])).toEqual(['WAITING', 'QUEUED']);
    expect((await dependents.leftOver()).ended).toBe(1);
    await app.database.$executeRaw`UPDATE tasks SET owner_id = ${bad.ownerId}::uuid WHERE id = ${stuck.id}::uuid`;
    await dependents.resolve();
    expect(await dependents.statuses([stuck])).toEqual(['QUEUED']);
  });
});

describe('many children', () => {
  test('of one parent are set free in several transactions', async () => {
    const parent = await submit();
    const children = await factory.submit(
      Array.from({ length: 501 }, () => ({ queue: 'many', dependsOn: [parent.id] })),
    );
    await dependents.end(parent, { result: 'for all' });
    await dependents.resolve();
    expect(new Set(await dependents.statuses(children))).toEqual(new Set(['QUEUED']));
    expect(await dependents.leftOver()).toEqual({ ended: 0, pending: 0 });
  });

  test('with large results are read a few at a time', async () => {
    const parent = await submit();
    const children = await factory.submit(
      Array.from({ length: 60 }, () => ({ queue: 'large', dependsOn: [parent.id] })),
    );
    await dependents.end(parent, { result: 'x'.repeat(1_000_000) });
    await dependents.resolve();
    expect(new Set(await dependents.statuses(children))).toEqual(new Set(['QUEUED']));
  });
});
