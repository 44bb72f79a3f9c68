import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { type Claim, claim, complete, fail } from '../../src/broker/calls.ts';
import { decodeEntry } from '../../src/broker/event-stream.ts';
import { eventsKey, metaKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { Epochs } from '../../src/tasks/epochs.ts';
import type { SubmitInput } from '../../src/tasks/new-task.ts';
import { submitTasks } from '../../src/tasks/submit-tasks.ts';
import type { Task } from '../../src/tasks/task-store.ts';
import { TaskWriter } from '../../src/tasks/task-writer.ts';
import type { TypeDefaults } from '../../src/tasks/type-defaults.ts';
import { beginTerm } from '../../workers/manager/reconcile-store.ts';
import { recordAll } from '../../workers/manager/record-store.ts';
import type { TestApp } from './setup.ts';
import { openEpoch } from './shard-setup.ts';

export const silent = pino({ level: 'silent' });

type Wish = Partial<SubmitInput> & { ownerId?: string };

/** A task in the hands of a worker. */
export interface HeldTask {
  task: Task;
  claim: Claim;
  shard: Shard;
}

export const taskInput = (more: Partial<SubmitInput> = {}): SubmitInput => ({
  type: 'echo',
  payload: { n: 1 },
  queue: 'default',
  priority: 'NORMAL',
  maxAttempts: 3,
  ...more,
});

/** Makes tasks in PostgreSQL and Redis, as submitters, workers and a manager would leave them. */
export class Factory {
  readonly epochs: Epochs;
  readonly writer: TaskWriter;
  readonly #app: TestApp;
  #defaultOwner: Promise<string> | undefined;
  #opened: Promise<void> | undefined;

  constructor(app: TestApp) {
    this.#app = app;
    this.epochs = new Epochs(app.broker, 60_000, silent);
    this.writer = new TaskWriter(app.database, app.broker, this.epochs, silent);
  }

  get services() {
    const taskRules = {
      maxPayloadBytes: 262_144,
      prepare: async () => {},
      checkPayload: () => {},
      defaultsOf: (): TypeDefaults | undefined => undefined,
      isDraining: () => false,
    };
    return { database: this.#app.database, taskWriter: this.writer, taskRules };
  }

  /** An owner with a feed. */
  async owner(): Promise<string> {
    const id = uuidv7();
    await this.#app.database.ownerFeed.create({ data: { ownerId: id } });
    return id;
  }

  /** Opens the shards of a new test, where no manager does it. */
  async openShards(): Promise<void> {
    for (const shard of this.#app.broker.shards) {
      if (await shard.lane.redis.exists(metaKey(shard.tag))) continue;
      await openEpoch(shard, 1);
      await this.#app.database.shard.create({ data: { id: shard.id, epoch: 1 } });
    }
    await this.epochs.refresh();
  }

  /** Submits tasks of the default owner, or of `ownerId`, and waits until Redis has them. */
  async submit(wishes: readonly Wish[]): Promise<Task[]> {
    this.#opened ??= this.openShards();
    await this.#opened;
    this.#defaultOwner ??= this.owner();
    const ownerId = wishes[0]?.ownerId ?? (await this.#defaultOwner);
    const tasks = await submitTasks(this.services, ownerId, wishes.map(taskInput));
    await this.writer.close();
    return tasks;
  }

  async queued(wish: Wish = {}): Promise<Task> {
    const [task] = await this.submit([wish]);
    return task as Task;
  }

  scheduled(wish: Wish = {}): Promise<Task> {
    return this.queued({ runAt: new Date(Date.now() + 3_600_000), ...wish });
  }

  /** In a queue of its own, unless `queue` is given. */
  async processing(wish: Wish & { workerId?: string; leaseMs?: number } = {}): Promise<HeldTask> {
    const { workerId = 'worker-1', leaseMs = 30_000, ...rest } = wish;
    const task = await this.queued({ queue: `q-${uuidv7().slice(-12)}`, ...rest });
    const shard = this.#app.broker.shardFor(task.priority, task.id);
    const served = { queues: task.queue, types: task.type };
    const [held] = await claim(shard, { worker: workerId, limit: 1, leaseMs, lowFirst: 0, ...served });
    if (held?.id !== task.id) throw new Error('claimed another task');
    await this.record(shard);
    return { task: await this.task(task.id), claim: held, shard };
  }

  async completed(wish: Wish & { result?: unknown } = {}): Promise<Task> {
    const { result = { ok: true }, ...rest } = wish;
    const { task, claim: held, shard } = await this.processing(rest);
    await complete(shard, { worker: 'worker-1' }, [{ id: task.id, token: held.token, result: JSON.stringify(result) }]);
    await this.record(shard);
    return this.task(task.id);
  }

  async failed(wish: Wish & { error?: unknown } = {}): Promise<Task> {
    const { error = { message: 'it broke' }, ...rest } = wish;
    const { task, claim: held, shard } = await this.processing(rest);
    const report = { id: task.id, token: held.token, error: JSON.stringify(error), retry: 0, delayMs: '' };
    await fail(shard, { worker: 'worker-1' }, [report]);
    await this.record(shard);
    return this.task(task.id);
  }

  /** Records what a shard's stream holds, without publishing it. Not beside a manager, whose term it would end. */
  async record(shard: Shard): Promise<void> {
    const { redis } = shard.lane;
    const entries = await redis.xrange(eventsKey(shard.tag), '-', '+');
    if (entries.length === 0) return;
    const transitions = entries.flatMap(([id, fields]) => decodeEntry(id, fields).transitions);
    const term = await beginTerm(this.#app.database, shard.id);
    await recordAll(this.#app.database, { shardId: shard.id, term }, transitions);
    await redis.xtrim(eventsKey(shard.tag), 'MAXLEN', 0);
  }

  task(id: string): Promise<Task> {
    return this.#app.database.task.findUniqueOrThrow({ where: { id } });
  }

  async close(): Promise<void> {
    await this.writer.close();
    this.epochs.close();
  }
}
