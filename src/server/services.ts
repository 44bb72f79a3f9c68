import { AccessTokens } from '../accounts/access-tokens.ts';
import { Authenticator } from '../accounts/authenticate.ts';
import { CredentialUsage } from '../accounts/credential-usage.ts';
import { FailedLogins } from '../accounts/failed-logins.ts';
import { LimiterStore } from '../accounts/limiter.ts';
import { Lockout } from '../accounts/lockout.ts';
import { OpenSessions } from '../accounts/open-sessions.ts';
import { Passwords } from '../accounts/passwords.ts';
import { RateLimits } from '../accounts/rate-limits.ts';
import { Revocations } from '../accounts/revocations.ts';
import { readSigningKeys, type SigningKeys } from '../accounts/signing-keys.ts';
import type { Broker } from '../broker/lanes.ts';
import { openBroker } from '../broker/open-broker.ts';
import type { Config } from '../config.ts';
import { type Database, openConfiguredDatabase } from '../database/client.ts';
import { openListReader } from '../database/replica.ts';
import { TaskFlowError } from '../errors.ts';
import { createFlowLoaders } from '../flows/flow-loaders.ts';
import type { Services } from '../graphql/context.ts';
import type { Logger } from '../logger.ts';
import { DrainingQueues } from '../queues/draining-queues.ts';
import { createQueueAges } from '../queues/find-queues.ts';
import { RealtimeRouter } from '../realtime/router.ts';
import { createScheduleRuns } from '../schedules/find-runs.ts';
import { Epochs, epochRefreshMs } from '../tasks/epochs.ts';
import type { TaskRules } from '../tasks/new-task.ts';
import { createTaskLoaders } from '../tasks/task-page-store.ts';
import { TaskSnapshots } from '../tasks/task-snapshots.ts';
import { readChanges, readPositions } from '../tasks/task-store.ts';
import { TaskTypes } from '../tasks/task-types.ts';
import { TaskWriter } from '../tasks/task-writer.ts';
import { createWaitReasons } from '../tasks/wait-reason.ts';
import { openWatchers } from './watchers.ts';

export interface RunningServices extends Services {
  epochs: Epochs;
  /** Ends all subscriptions: subscribers are told that they may come back. */
  endSubscriptions(): Promise<void>;
  /** Finishes what is under way and closes the connections. Call it when no more requests come. */
  close(): Promise<void>;
}

interface Parts {
  database: Database;
  broker: Broker;
  router: RealtimeRouter;
  logger: Logger;
}

/** Puts the parts of an api process together. Returns at once: PostgreSQL and Redis may come up later. */
export const openServices = (config: Config, logger: Logger): RunningServices => {
  // First, since it may find a fault in the settings.
  const keys = readSigningKeys(config);
  const database = openConfiguredDatabase(config);
  const lists = openListReader(database, config, logger);
  const broker = openBroker(config, logger);
  const epochs = openEpochs(broker, config, logger);
  const taskWriter = new TaskWriter(database, broker, epochs, logger);
  const router = new RealtimeRouter(broker, {
    readChanges: (ownerId, after, limit) => readChanges(database, ownerId, after, limit),
    readPositions: (ownerIds) => readPositions(database, ownerIds),
    subscriberBuffer: config.SUBSCRIBER_BUFFER,
    logger,
  });
  const parts = { database, broker, router, logger };
  const accounts = openAccounts(parts, config, keys);
  const flowLoaders = createFlowLoaders(database);
  const watchers = openWatchers({ ...parts, flowLoaders });
  const taskTypes = new TaskTypes(broker, logger);
  const drainingQueues = new DrainingQueues(database, logger);
  drainingQueues.keepFresh();
  return {
    ...parts,
    ...accounts,
    ...watchers,
    lists,
    epochs,
    taskWriter,
    taskTypes,
    queueAges: createQueueAges({ broker, database }),
    maxResultBytes: config.MAX_RESULT_BYTES,
    workerTtlMs: config.HEARTBEAT_INTERVAL_SECONDS * 3_000,
    cancelGraceMs: config.CANCEL_GRACE_MS,
    taskRules: taskRulesOf(taskTypes, drainingQueues, config),
    snapshots: new TaskSnapshots(database),
    loaders: createTaskLoaders(database),
    scheduleRuns: createScheduleRuns(database),
    waitReasons: createWaitReasons(broker, logger),
    flowLoaders,
    endSubscriptions: async () => {
      const reason = new TaskFlowError('UNAVAILABLE', 'This server is shutting down; subscribe again.');
      await Promise.all([router, ...Object.values(watchers)].map((each) => each.close(reason)));
    },
    close: async () => {
      accounts.sessions.close();
      epochs.close();
      drainingQueues.close();
      await taskWriter.close();
      await accounts.authenticator.flush();
      broker.close();
      await lists.close();
      await database.$disconnect();
    },
  };
};

/** Until the epochs are known, new tasks wait for the reconciler. */
const openEpochs = (broker: Broker, config: Config, logger: Logger): Epochs => {
  const epochs = new Epochs(broker, epochRefreshMs(config.RECONCILE_INTERVAL_MS), logger);
  for (const { redis } of broker.lanes) redis.on('ready', () => void epochs.refresh());
  return epochs;
};

/** Who may do what, and how often. */
const openAccounts = ({ database, broker, router, logger }: Parts, config: Config, keys: SigningKeys) => {
  const tokens = new AccessTokens({
    keys,
    issuer: config.TOKEN_ISSUER,
    audience: config.TOKEN_AUDIENCE,
    expiresInMinutes: config.ACCESS_TOKEN_EXPIRE_MINUTES,
    renewableDays: config.LOGIN_EXPIRE_DAYS,
  });
  const usage = new CredentialUsage(database, logger);
  const authenticator = new Authenticator(database, tokens, usage);
  const sessions = new OpenSessions(database, usage, logger);
  const revocations = new Revocations({ broker, router, authenticator, sessions, logger });
  revocations.listen().catch((err: unknown) => logger.debug({ err }, 'stopped before Redis could be listened to'));
  const limiterStore = new LimiterStore(broker.high.redis, broker.prefix, logger);
  return {
    tokens,
    passwords: new Passwords({
      memoryKib: config.PASSWORD_MEMORY_KIB,
      passes: config.PASSWORD_PASSES,
      parallelism: config.PASSWORD_PARALLELISM,
    }),
    failedLogins: new FailedLogins(database),
    apiKeyRules: {
      mayNeverExpire: config.API_KEY_MAY_NEVER_EXPIRE,
      maxRateLimitPerHour: config.USER_RATE_LIMIT_PER_HOUR,
    },
    authenticator,
    sessions,
    revocations,
    lockout: new Lockout(limiterStore, {
      maxFailedAttempts: config.MAX_FAILED_ATTEMPTS,
      seconds: config.LOCKOUT_DURATION_SECONDS,
    }),
    rateLimits: new RateLimits(limiterStore, {
      perAddress: config.RATE_LIMIT_PER_HOUR,
      perUser: config.USER_RATE_LIMIT_PER_HOUR,
      socketReadsPerUser: config.USER_SOCKET_READS_PER_HOUR,
    }),
  };
};

const taskRulesOf = (taskTypes: TaskTypes, drainingQueues: DrainingQueues, config: Config): TaskRules => ({
  maxPayloadBytes: config.MAX_PAYLOAD_BYTES,
  prepare: async (types) => {
    await drainingQueues.prepare();
    await taskTypes.prepare(types);
  },
  isDraining: drainingQueues.has,
  checkPayload: taskTypes.checkPayload,
  defaultsOf: taskTypes.defaultsOf,
});
