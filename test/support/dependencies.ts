import { v7 as uuidv7 } from 'uuid';
import { expect } from 'vitest';
import { type Claim, claim, complete, fail, missing } from '../../src/broker/calls.ts';
import { cancelWaiting } from '../../src/tasks/cancel-waiting.ts';
import type { SubmitInput } from '../../src/tasks/new-task.ts';
import { resolveDependencies } from '../../src/tasks/resolve-dependencies.ts';
import type { Task } from '../../src/tasks/task-store.ts';
import { type Factory, silent } from './factory.ts';
import { findContradictions } from './invariants.ts';
import type { TestApp } from './setup.ts';

const WORKER = 'worker-1';

/** What a task that waits for these is submitted with. */
export const childOf = (...parents: Task[]) => ({ dependsOn: parents.map(({ id }) => id) });

/** Runs tasks that wait for each other, one step at a time; no manager and no worker beside it. */
export class Dependents {
  readonly #app: TestApp;
  readonly #factory: Factory;

  constructor(app: TestApp, factory: Factory) {
    this.#app = app;
    this.#factory = factory;
  }

  /** Submits a task, in a queue of its own, so that it can be claimed alone. */
  submit(more: Partial<SubmitInput> & { ownerId?: string } = {}): Promise<Task> {
    return this.#factory.queued({ queue: `q-${uuidv7().slice(-12)}`, ...more });
  }

  async isInBroker({ id }: Task): Promise<boolean> {
    const shard = this.#app.broker.shardFor('NORMAL', id);
    return (await missing(shard, {}, [{ id }])).length === 0;
  }

  /** Nothing is left to do for managers, and the tables fit together. */
  async expectNothingLeft(): Promise<void> {
    expect(await this.leftOver()).toEqual({ ended: 0, pending: 0 });
    expect(await findContradictions(this.#app.database)).toEqual([]);
  }

  /** Does what managers do until nothing is left to do, and waits until Redis has what was set free. */
  async resolve(): Promise<void> {
    while ((await resolveDependencies({ ...this.#factory.services, logger: silent })) > 0);
    await this.#factory.writer.close();
  }

  /** Claims a task that stands in a queue of its own. */
  async claim({ id, queue, type }: Pick<Task, 'id' | 'queue' | 'type'>): Promise<Claim | undefined> {
    const shard = this.#app.broker.shardFor('NORMAL', id);
    const wish = { worker: WORKER, limit: 1, leaseMs: 30_000, lowFirst: 0, queues: queue, types: type };
    const [held] = await claim(shard, wish);
    return held;
  }

  /** Runs a task that stands in a queue of its own to its end, and records that. @returns what its worker was given */
  async end(task: Pick<Task, 'id' | 'queue' | 'type'>, outcome: { result?: unknown; error?: unknown }): Promise<Claim> {
    const shard = this.#app.broker.shardFor('NORMAL', task.id);
    const held = await this.claim(task);
    if (held?.id !== task.id) throw new Error(`claimed ${held?.id} instead of ${task.id}`);
    const report = { id: task.id, token: held.token };
    if (outcome.error === undefined)
      await complete(shard, { worker: WORKER }, [{ ...report, result: JSON.stringify(outcome.result ?? null) }]);
    else
      await fail(shard, { worker: WORKER }, [
        { ...report, error: JSON.stringify(outcome.error), retry: 0, delayMs: '' },
      ]);
    await this.#factory.record(shard);
    return held;
  }

  cancel(ids: readonly string[], ownerId?: string): Promise<string[]> {
    return cancelWaiting(this.#factory.services, ownerId, ids, JSON.stringify({ reason: 'CANCELLED' }));
  }

  async statuses(tasks: readonly { id: string }[]): Promise<string[]> {
    const rows = await this.#app.database.task.findMany({ where: { id: { in: tasks.map(({ id }) => id) } } });
    const byId = new Map(rows.map(({ id, status }) => [id, status]));
    return tasks.map(({ id }) => byId.get(id) ?? 'gone');
  }

  /** How the parents of a task ended, in the order in which it names them. */
  async parentEnds({ id }: { id: string }): Promise<(string | null)[]> {
    const rows = await this.#app.database.taskDependency.findMany({
      where: { childId: id },
      orderBy: { place: 'asc' },
    });
    return rows.map(({ status }) => status);
  }

  /** Statuses and details of a task's events, in order. */
  async trail({ id }: { id: string }): Promise<[status: string, detail: unknown][]> {
    const events = await this.#app.database.taskEvent.findMany({ where: { taskId: id }, orderBy: { seq: 'asc' } });
    return events.map(({ status, detail }) => [status, detail]);
  }

  /**
   * What is left of the work that managers do: nothing, when all is resolved. What tasks that were cancelled waited for stays
   * pending until it ends.
   */
  async leftOver(): Promise<{ ended: number; pending: number }> {
    const [row] = await this.#app.database.$queryRaw<[{ ended: number; pending: number }]>`
      SELECT (SELECT count(*)::int FROM ended_parents) AS ended,
        (SELECT count(*)::int FROM pending_dependencies p WHERE NOT EXISTS (
          SELECT FROM tasks c JOIN tasks t ON t.id = p.parent_id
          WHERE c.id = p.child_id AND c.status <> 'WAITING' AND t.finished_at IS NULL)) AS pending`;
    return row;
  }
}
