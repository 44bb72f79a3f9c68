import { v7 as uuidv7 } from 'uuid';
import { purge } from '../../src/broker/calls.ts';
import { BrokerNotReadyError } from '../../src/broker/define-function.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { changeQueue } from '../../src/queues/change-queue.ts';
import { toNewTask } from '../../src/tasks/new-task.ts';
import { retryWithin } from '../../src/tasks/retry-tasks.ts';
import { Factory, silent, taskInput } from '../support/factory.ts';
import { beginTestTerm, type TestTerm } from '../support/leading.ts';
import { type PrivateServer, setup, startPrivateRedis, type TestApp } from '../support/setup.ts';
import { LANES, type LaneName, type TaskSpec } from './model-task.ts';

/** When delayed tasks are due: never by themselves. */
export const LATER_MS = 3_600_000;

/** Times of epochs and submissions are compared with a margin of 2 ms: what comes before an epoch is made older than that. */
const MARGIN_SECONDS = 0.004;

/** TaskFlow's own parts on real servers, each run by hand: between two steps nothing moves. */
export class RealSystem implements AsyncDisposable {
  readonly app: TestApp;
  readonly #redis: PrivateServer;
  #factory: Factory;
  #ownerId = '';
  readonly #terms = new Map<LaneName, TestTerm>();
  #stalled: (() => void)[] = [];

  static async start(): Promise<RealSystem> {
    const redis = await startPrivateRedis({ appendonly: 'no' });
    return new RealSystem(await setup({ redis }), redis);
  }

  private constructor(app: TestApp, redis: PrivateServer) {
    this.app = app;
    this.#redis = redis;
    this.#factory = new Factory(app);
  }

  /** Forgets everything; both shards are open and led, in the first epoch after the first. */
  async reset(): Promise<void> {
    const { database, broker } = this.app;
    await this.#factory.close();
    await broker.low.redis.flushall();
    await database.$executeRaw`
      TRUNCATE tasks, task_events, dead_letters, outbox, owner_feeds, queue_minutes, queues, shards`;
    this.#factory = new Factory(this.app);
    this.#stalled = [];
    await this.#factory.openShards();
    this.#ownerId = await this.#factory.owner();
    for (const lane of LANES) await this.lead(lane);
    await this.refreshEpochs();
  }

  shard(lane: LaneName): Shard {
    return this.app.broker[lane].shards[0] as Shard;
  }

  term(lane: LaneName): TestTerm {
    return this.#terms.get(lane) as TestTerm;
  }

  /** @returns the ids, in order */
  async submit(specs: readonly TaskSpec[], isHandedOver: boolean): Promise<string[]> {
    const tasks = specs.map(({ isDelayed, ...spec }) => {
      const runAt = isDelayed ? new Date(Date.now() + LATER_MS) : null;
      return toNewTask(this.#ownerId, taskInput({ ...spec, runAt }), 'input', this.#factory.services.taskRules);
    });
    const { writer } = this.#factory;
    const { afterCommit } = await writer.writeWithin(this.app.database, tasks, writer.knownEpochs());
    if (isHandedOver) afterCommit();
    else this.#stalled.push(afterCommit);
    await writer.close();
    return tasks.map(({ id }) => id);
  }

  /** A submitter that had stopped goes on. */
  async resume(index: number): Promise<void> {
    for (const afterCommit of this.#stalled.splice(index, 1)) afterCommit();
    await this.#factory.writer.close();
  }

  /** @returns the ids of those that were put back, in order */
  async retry(ids: readonly string[]): Promise<string[]> {
    const { writer } = this.#factory;
    const epochs = writer.knownEpochs();
    const retried = await this.app.database.$transaction((session) =>
      retryWithin(session, writer, undefined, ids, epochs),
    );
    retried.afterCommit();
    await writer.close();
    return retried.ids;
  }

  async setPaused(queue: string, isPaused: boolean): Promise<void> {
    const { database, broker } = this.app;
    await changeQueue({ database, broker, logger: silent }, queue, { isPaused });
  }

  /** Ends what waits in these lines of a queue, then what is not due yet. @returns how many tasks */
  async purge(
    lane: LaneName,
    { queue, lines, before, reason }: { queue: string; lines: readonly string[]; before: string; reason: unknown },
  ): Promise<number> {
    const shard = this.shard(lane);
    const operation = uuidv7();
    const args = { operation, before, reason: JSON.stringify(reason), limit: 1_000, queue };
    for (const line of lines) await purge(shard, { ...args, line, cursor: '' });
    let cursor = '0';
    do {
      ({ cursor } = await purge(shard, { ...args, line: '', cursor }));
    } while (cursor !== '0');
    return Number(await shard.lane.redis.hget(`${shard.tag}:purges`, operation));
  }

  refreshEpochs(): Promise<void> {
    return this.#factory.epochs.refresh();
  }

  /** Writes the time of these tasks into the past. */
  async bringForward(lane: LaneName, set: 'leases' | 'cancel-deadlines' | 'scheduled', ids: string[]): Promise<void> {
    const { tag, lane: place } = this.shard(lane);
    for (const id of ids) await place.redis.zadd(`${tag}:${set}`, 'XX', 1, id);
  }

  async record(lane: LaneName): Promise<void> {
    const { recorder, signal } = this.term(lane);
    await recorder.drain(signal);
  }

  async reconcile(lane: LaneName): Promise<number> {
    await this.#passTheMargin();
    const { reconciler, signal } = this.term(lane);
    return reconciler.runOnce(0, signal);
  }

  /** A new leader takes over. @returns whether it rebuilt the shard */
  async lead(lane: LaneName): Promise<boolean> {
    await this.#terms.get(lane)?.[Symbol.asyncDispose]();
    await this.#passTheMargin();
    const term = await beginTestTerm(this.app, this.shard(lane));
    this.#terms.set(lane, term);
    const isLost = await term.reconciler.begin(term.signal);
    if (isLost) await term.reconciler.rebuild(term.signal);
    return isLost;
  }

  async loseBroker(): Promise<void> {
    await this.app.broker.low.redis.flushall();
  }

  async loseMeta(lane: LaneName): Promise<void> {
    const { tag, lane: place } = this.shard(lane);
    await place.redis.del(`${tag}:meta`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const term of this.#terms.values()) await term[Symbol.asyncDispose]();
    await this.#factory.close();
    await this.app.close();
    await this.#redis[Symbol.asyncDispose]();
  }

  async #passTheMargin(): Promise<void> {
    await this.app.database.$executeRaw`SELECT pg_sleep(${MARGIN_SECONDS}::float8)`;
  }
}

/** What a call answers, or that the shard answers no calls. */
export const orNotReady = async <T>(call: Promise<T>): Promise<T | 'NOTREADY'> => {
  try {
    return await call;
  } catch (error) {
    if (error instanceof BrokerNotReadyError) return 'NOTREADY';
    throw error;
  }
};
