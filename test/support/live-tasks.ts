import { type Claim, claim, complete, fail } from '../../src/broker/calls.ts';
import { decodeEntry } from '../../src/broker/event-stream.ts';
import { eventsKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import type { Change } from '../../src/realtime/change.ts';
import { publishChanges } from '../../src/realtime/publish.ts';
import { beginTerm } from '../../workers/manager/reconcile-store.ts';
import { recordAll } from '../../workers/manager/record-store.ts';
import type { TestApp } from './setup.ts';
import { waitFor } from './wait-for.ts';

/** A task that waits in a queue of its own, so that it can be claimed alone. */
interface Waiting {
  id: string;
  type: string;
  queue: string;
}

const WORKER = 'worker-1';
const LEASE_MS = 30_000;

/** Does what workers and a manager do, one step at a time: each step is committed and published when it returns. */
export class LiveTasks {
  readonly #app: TestApp;
  readonly #held = new Map<string, { claim: Claim; shard: Shard }>();

  constructor(app: TestApp) {
    this.#app = app;
  }

  /** A worker begins: PROCESSING. */
  async begin(task: Waiting): Promise<Change[]> {
    const shard = this.#app.broker.shardFor('NORMAL', task.id);
    const wish = { worker: WORKER, limit: 1, leaseMs: LEASE_MS, lowFirst: 0, queues: task.queue, types: task.type };
    const held = await waitFor(async () => (await claim(shard, wish)).find(({ id }) => id === task.id), {
      what: `${task.id} is claimed`,
    });
    this.#held.set(task.id, { claim: held, shard });
    return this.publish(shard);
  }

  async complete(task: Waiting, result: unknown = { ok: true }): Promise<Change[]> {
    const { claim: held, shard } = this.#heldOf(task);
    await complete(shard, { worker: WORKER }, [{ id: task.id, token: held.token, result: JSON.stringify(result) }]);
    return this.publish(shard);
  }

  /** @param retryMs put off for that long, or failed for good when undefined */
  async fail(task: Waiting, error: unknown = { message: 'it broke' }, retryMs?: number): Promise<Change[]> {
    const { claim: held, shard } = this.#heldOf(task);
    const report = {
      id: task.id,
      token: held.token,
      error: JSON.stringify(error),
      retry: retryMs === undefined ? 0 : 1,
      delayMs: retryMs ?? '',
    };
    await fail(shard, { worker: WORKER }, [report]);
    return this.publish(shard);
  }

  /** Records what a shard's stream holds, then publishes it. */
  async publish(shard: Shard): Promise<Change[]> {
    const changes = await this.record(shard);
    await publishChanges(this.#app.broker, shard.lane, changes);
    return changes;
  }

  /** Records what a shard's stream holds, as a manager that dies before it publishes. */
  async record(shard: Shard): Promise<Change[]> {
    const key = eventsKey(shard.tag);
    const entries = await shard.lane.redis.xrange(key, '-', '+');
    if (entries.length === 0) return [];
    const transitions = entries.flatMap(([id, fields]) => decodeEntry(id, fields).transitions);
    const term = await beginTerm(this.#app.database, shard.id);
    const { changes } = await recordAll(this.#app.database, { shardId: shard.id, term }, transitions);
    await shard.lane.redis.xtrim(key, 'MAXLEN', 0);
    return changes;
  }

  #heldOf({ id }: Waiting): { claim: Claim; shard: Shard } {
    const held = this.#held.get(id);
    if (!held) throw new Error(`task ${id} was not begun`);
    return held;
  }
}
