import { LRUCache } from 'lru-cache';
import { purge } from '../broker/calls.ts';
import { BrokerNotReadyError } from '../broker/define-function.ts';
import { countsKey, lineKey, linesKey, metaKey, purgesKey } from '../broker/keys.ts';
import type { Broker, Shard } from '../broker/lanes.ts';
import { readRunId } from '../broker/run-id.ts';
import type { DatabaseSession } from '../database/client.ts';
import type { Operation, Step } from './operation-store.ts';
import { CHUNK, FIRST_ID } from './scan-tasks.ts';

/** Purges that are under way in this process. A manager that takes one over begins its pass anew. */
const MAX_PASSES = 1_000;

/** The way of a purge through the broker, call by call. */
export type PurgePasses = LRUCache<string, AsyncGenerator<void>>;
export const createPurgePasses = (): PurgePasses => new LRUCache({ max: MAX_PASSES });

/**
 * The next waiting tasks of the queue that Redis does not know: those that wait for others, and those of batches that are still
 * in the outbox, which Redis may not know yet. Nothing else of PostgreSQL has to be searched.
 *
 * @returns in order, and up to which id all were found: the operation's when there are no more
 */
export const findOutsideBroker = async (
  session: DatabaseSession,
  operation: Operation,
): Promise<{ ids: string[]; cursor: string }> => {
  const dependents = await findDependents(session, operation);
  const unconfirmed = await findUnconfirmed(session, operation);
  const ends = [dependents, unconfirmed].flatMap((rows) => (rows.length < CHUNK ? [] : (rows.at(-1)?.id ?? [])));
  const [cursor = operation.id] = ends.sort();
  const found = [...dependents.filter(({ isWaiting }) => isWaiting), ...unconfirmed].map(({ id }) => id);
  return { ids: [...new Set(found)].filter((id) => id <= cursor).sort(), cursor };
};

/** The next 500 tasks that wait for others, whether they are of this queue or not. */
const findDependents = (
  session: DatabaseSession,
  { queue, cursor, id }: Operation,
): Promise<{ id: string; isWaiting: boolean }[]> =>
  session.$queryRaw`
    WITH span AS MATERIALIZED (
      SELECT DISTINCT child_id AS id FROM pending_dependencies
      WHERE child_id > ${cursor ?? FIRST_ID}::uuid AND child_id <= ${id}::uuid ORDER BY child_id LIMIT ${CHUNK}
    )
    SELECT s.id, coalesce(t.queue = ${queue} AND t.status = 'WAITING', false) AS "isWaiting"
    FROM span s LEFT JOIN tasks t ON t.id = s.id ORDER BY s.id`;

/** The next 500 of this queue in the outbox. */
const findUnconfirmed = (session: DatabaseSession, { queue, cursor, id }: Operation): Promise<{ id: string }[]> =>
  session.$queryRaw`
    SELECT DISTINCT t.id FROM outbox o JOIN tasks t ON t.id BETWEEN o.min_id AND o.max_id
    WHERE o.max_id > ${cursor ?? FIRST_ID}::uuid AND t.id > ${cursor ?? FIRST_ID}::uuid AND t.id <= ${id}::uuid
      AND t.queue = ${queue} AND t.status IN ('QUEUED', 'SCHEDULED')
    ORDER BY t.id LIMIT ${CHUNK}`;

/**
 * Ends the next waiting tasks of the queue that Redis knows: up to 500 in one call.
 *
 * How many were ended is counted by the broker, with what it did, so that the number is right wherever this was cut off.
 *
 * @throws what ioredis throws, and BrokerNotReadyError; then the pass begins anew
 */
export const purgeNext = async (broker: Broker, passes: PurgePasses, operation: Operation): Promise<Step> => {
  const pass = passes.get(operation.id) ?? purgeCalls(broker, operation);
  passes.set(operation.id, pass);
  const before = await readCount(broker, operation.id);
  let isOver: boolean;
  try {
    isOver = (await pass.next()).done === true;
  } catch (error) {
    passes.delete(operation.id);
    throw error;
  }
  const brokerCount = await readCount(broker, operation.id);
  // A Redis that lost its data counts from 0 again, and what the others counted was recorded before.
  const done = Math.max(0, brokerCount - Math.min(operation.brokerCount, before));
  if (isOver) passes.delete(operation.id);
  return { matched: done, done, brokerCount, isOver };
};

async function* purgeCalls(broker: Broker, { id, queue, reason }: Operation): AsyncGenerator<void> {
  const name = queue ?? '';
  const args = { operation: id, before: id, reason: JSON.stringify(reason), queue: name };
  for (const shard of broker.shards) await requireWhole(shard);
  // First those that are not due: when they come due meanwhile, they are found in a line.
  for (const shard of broker.shards) {
    if (!(await shard.redis.hexists(countsKey(shard.tag), `${name}|SCHEDULED`))) continue;
    let cursor = '0';
    do {
      ({ cursor } = await purge(shard, { ...args, limit: CHUNK, line: '', cursor }));
      yield;
    } while (cursor !== '0');
  }
  for (const shard of broker.shards) {
    const { redis } = shard;
    for (const line of await redis.smembers(linesKey(shard.tag))) {
      if (line.split('|')[1] !== name) continue;
      let left = await redis.llen(lineKey(shard.tag, line));
      while (left > 0) {
        const { looked } = await purge(shard, { ...args, limit: Math.min(left, CHUNK), line, cursor: '' });
        left = looked === 0 ? 0 : left - looked;
        yield;
      }
    }
  }
}

/** A shard that is being rebuilt does not have all its tasks yet. */
const requireWhole = async ({ id, tag, redis }: Shard): Promise<void> => {
  const [meta, runId] = await Promise.all([redis.hgetall(metaKey(tag)), readRunId(redis)]);
  if (meta.state !== 'ready' || meta.runId !== runId) {
    throw new BrokerNotReadyError(`the shard ${id} waits to be rebuilt`);
  }
};

const readCount = async (broker: Broker, operationId: string): Promise<number> => {
  const counts = await Promise.all(broker.shards.map(({ redis, tag }) => redis.hget(purgesKey(tag), operationId)));
  return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
};
