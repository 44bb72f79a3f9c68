import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StreamedTransition } from '../../src/broker/event-stream.ts';
import type { Change } from '../../src/realtime/change.ts';
import { applyChange } from '../../src/tasks/task-snapshot.ts';
import { FIRST_STATUSES, hasEnded, LEGAL_MOVES, type TaskStatus } from '../../src/tasks/task-state.ts';
import type { Task } from '../../src/tasks/task-store.ts';
import { recordAll, type Term } from '../../workers/manager/record-store.ts';
import type { Factory } from '../support/factory.ts';
import { type FactoryApp, setupFactory } from '../support/factory-app.ts';
import { findContradictions } from '../support/invariants.ts';
import { beginTermOf, transitionOf } from '../support/transitions.ts';

let app: FactoryApp;
let factory: Factory;
let term: Term;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
  term = await beginTermOf(app);
});
afterAll(() => app.close());

const MAX_MOVES = 8;

/** Every legal path of a task from its first status to its end, or as far as MAX_MOVES. */
const legalPaths = (path: TaskStatus[]): TaskStatus[][] => {
  const last = path.at(-1) as TaskStatus;
  if (hasEnded(last) || path.length > MAX_MOVES) return [path];
  return LEGAL_MOVES[last].flatMap((next) => legalPaths([...path, next]));
};

/** With data that differs from step to step, and now and then none. */
const transitionsOf = (task: Task, path: readonly TaskStatus[], startMs: number): StreamedTransition[] => {
  let attempt = 0;
  return path.slice(1).map((status, i) => {
    if (status === 'PROCESSING') attempt++;
    const hasData = status === 'COMPLETED' || (status !== 'PROCESSING' && (i + path.length) % 4 !== 0);
    return transitionOf(task, i + 2, status, {
      attempt,
      workerId: path[i] === 'PROCESSING' || status === 'PROCESSING' ? `worker-${i}` : '',
      runAtMs: status === 'SCHEDULED' ? startMs + 60_000 + i : undefined,
      data: hasData ? JSON.stringify({ message: `step ${i}`, status }) : '',
      atMs: startMs + i,
    });
  });
};

const startPaths = async (): Promise<{ task: Task; path: TaskStatus[] }[]> => {
  const paths = FIRST_STATUSES.flatMap((first) => legalPaths([first]));
  const runAt = new Date(Date.now() + 60_000);
  const tasks = await factory.submit(paths.map(([first]) => (first === 'SCHEDULED' ? { runAt } : {})));
  for (const [i, task] of tasks.entries()) {
    if (paths[i]?.[0] !== 'WAITING') continue;
    await app.database.task.update({ where: { id: task.id }, data: { status: 'WAITING' } });
    await app.database.taskEvent.updateMany({ where: { taskId: task.id }, data: { status: 'WAITING' } });
    task.status = 'WAITING';
  }
  return tasks.map((task, i) => ({ task, path: paths[i] as TaskStatus[] }));
};

const follow = (task: Task, changes: readonly Change[]): Task =>
  changes.filter(({ taskId }) => taskId === task.id).reduce(applyChange, task);

describe('a task after its changes', () => {
  test('is what the recorder writes, on every legal path, step by step and all at once', async () => {
    const started = await startPaths();
    expect(started.length).toBeGreaterThan(100);
    const half = started.map(({ task, path }) => ({ task, transitions: transitionsOf(task, path, Date.now()) }));
    const stepwise = half.filter((_, i) => i % 2 === 0);
    const atOnce = half.filter((_, i) => i % 2 === 1);

    const changes: Change[] = [];
    for (let step = 0; step < MAX_MOVES; step++) {
      const batch = stepwise.flatMap(({ transitions }) => transitions.slice(step, step + 1));
      changes.push(...(await recordAll(app.database, term, batch)).changes);
    }
    changes.push(
      ...(
        await recordAll(
          app.database,
          term,
          atOnce.flatMap(({ transitions }) => transitions),
        )
      ).changes,
    );

    const rows = await app.database.task.findMany();
    const expected = new Map(started.map(({ task }) => [task.id, follow(task, changes)]));
    for (const row of rows) expect(row).toEqual(expected.get(row.id));
    expect(await findContradictions(app.database)).toEqual([]);
  });
});
