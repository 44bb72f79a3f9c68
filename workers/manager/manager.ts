import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { managersKey } from '../../src/broker/keys.ts';
import type { Broker } from '../../src/broker/lanes.ts';
import type { Config } from '../../src/config.ts';
import type { Database } from '../../src/database/client.ts';
import { whileBusy } from '../../src/database/while-busy.ts';
import { startDependencyRunner } from './dependency-runner.ts';
import { Handover } from './handover.ts';
import { Leader } from './leader.ts';
import { startOperationRunner } from './operation-runner.ts';
import { startScheduleRunner } from './schedule-runner.ts';
import { manageShard } from './shard-manager.ts';

export interface ManagerOptions {
  broker: Broker;
  database: Database;
  config: Pick<
    Config,
    'LEASE_MS' | 'LEADER_LEASE_MS' | 'RECONCILE_INTERVAL_MS' | 'MAX_PAYLOAD_BYTES' | 'CANCEL_GRACE_MS'
  >;
  logger: Logger;
}

export interface Manager {
  readonly id: string;
  /** Ids of the shards that it leads now. */
  leads(): string[];
  /** Gives up its shards, so that others take over at once. */
  stop(): Promise<void>;
}

const PARTITION_INTERVAL_MS = 60 * 60 * 1000;
/** Partitions that are made ahead: a week without any manager would still find one. */
const DAYS_AHEAD = 8;

/**
 * Starts a manager: it leads its fair share of the shards, and stands by for the others. Beside that it serves schedules and
 * operations, and sets tasks free that wait for others.
 *
 * Every process needs at least one; with two or more, another takes over when one dies.
 */
export const startManager = ({ broker, database, config, logger: parentLogger }: ManagerOptions): Manager => {
  const id = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const logger = parentLogger.child({ managerId: id });
  const leaseMs = config.LEADER_LEASE_MS;
  const handover = new Handover({ broker, database, config, logger });
  const dependencyRunner = startDependencyRunner({ broker, database, handover, logger });
  const onEndedParents = (): void => dependencyRunner.wake();
  let fairShare = broker.shards.length;
  const leading = (): Leader[] => leaders.filter(({ isLeading }) => isLeading);
  const leaders = broker.shards.map(
    (shard) =>
      new Leader({
        shard,
        holder: id,
        leaseMs,
        mayLead: () => leading().length < fairShare,
        work: (signal) =>
          manageShard(
            { broker, database, config, logger: logger.child({ shard: shard.id }), onEndedParents },
            shard,
            signal,
          ),
        logger: logger.child({ shard: shard.id }),
      }),
  );

  const share = async (): Promise<void> => {
    try {
      fairShare = Math.ceil(broker.shards.length / (await countManagers(broker, id, leaseMs)));
      for (const leader of leading().slice(fairShare)) leader.stepDown('other managers lead fewer shards');
    } catch (error) {
      logger.debug({ err: error }, 'could not count the managers');
    }
  };
  const timers = [
    setInterval(() => void share(), leaseMs / 3),
    setInterval(() => void makePartitionsAhead(database, logger), PARTITION_INTERVAL_MS),
  ];
  void makePartitionsAhead(database, logger);
  void share();
  for (const leader of leaders) leader.start();
  const scheduleRunner = startScheduleRunner({ broker, database, handover, config, logger });
  const operationRunner = startOperationRunner({ broker, database, handover, config, logger });
  return {
    id,
    leads: () => broker.shards.filter((_, i) => leaders[i]?.isLeading).map((shard) => shard.id),
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      // First: others may lead its share as soon as they do not count it any more.
      await broker.high.redis.zrem(managersKey(broker.prefix), id).catch(() => undefined);
      const runners = [scheduleRunner, operationRunner, dependencyRunner];
      await Promise.all([...leaders, ...runners].map((each) => each.stop()));
      await handover.close();
    },
  };
};

const makePartitionsAhead = async (database: Database, logger: Logger): Promise<void> => {
  try {
    await whileBusy(
      () => database.$executeRaw`SELECT taskflow_ensure_partitions(now() - interval '1 day', ${DAYS_AHEAD + 1}::int)`,
    );
  } catch (error) {
    logger.warn({ err: error }, 'could not make partitions ahead; will try again');
  }
};

/** How many managers were seen during the last `windowMs`, this one included: one that died is not waited for longer than for its leases. */
const countManagers = async ({ high: { redis }, prefix }: Broker, id: string, windowMs: number): Promise<number> => {
  const [seconds, micros] = await redis.time();
  const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  const key = managersKey(prefix);
  await redis.zadd(key, now, id);
  await redis.zremrangebyscore(key, '-inf', now - windowMs);
  return Math.max(1, await redis.zcard(key));
};
