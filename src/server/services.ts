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
import { readSigningKeys } from '../accounts/signing-keys.ts';
import { ApiKeyWatcher, AuditWatcher, SessionWatcher, UserListWatcher } from '../accounts/watch-accounts.ts';
import { openBroker } from '../broker/open-broker.ts';
import { WorkWatcher } from '../claims/watch-work.ts';
import type { Config } from '../config.ts';
import { openConfiguredDatabase } from '../database/client.ts';
import { openListReader } from '../database/replica.ts';
import { TaskFlowError } from '../errors.ts';
import { createFlowLoaders } from '../flows/flow-loaders.ts';
import { FlowListWatcher } from '../flows/watch-flows.ts';
import type { Services } from '../graphql/context.ts';
import type { Logger } from '../logger.ts';
import { OperationWatcher } from '../operations/watch-operations.ts';
import { DrainingQueues } from '../queues/draining-queues.ts';
import { createQueueAges } from '../queues/find-queues.ts';
import { QueueListWatcher, QueueWatcher } from '../queues/watch-queues.ts';
import { StatisticsWatcher } from '../queues/watch-statistics.ts';
import { WorkerWatcher } from '../queues/watch-workers.ts';
import { RealtimeRouter } from '../realtime/router.ts';
import { createScheduleRuns } from '../schedules/find-runs.ts';
import { ScheduleListWatcher, ScheduleWatcher } from '../schedules/watch-schedules.ts';
import { Epochs, epochRefreshMs } from '../tasks/epochs.ts';
import { createTaskLoaders } from '../tasks/task-page-store.ts';
import { TaskSnapshots } from '../tasks/task-snapshots.ts';
import { readChanges, readPositions } from '../tasks/task-store.ts';
import { TaskTypes } from '../tasks/task-types.ts';
import { TaskWriter } from '../tasks/task-writer.ts';
import { createWaitReasons } from '../tasks/wait-reason.ts';

export interface RunningServices extends Services {
  epochs: Epochs;
  /** Ends all subscriptions: subscribers are told that they may come back. */
  endSubscriptions(): Promise<void>;
  /** Finishes what is under way and closes the connections. Call it when no more requests come. */
  close(): Promise<void>;
}

/** Puts the parts of an api process together. Returns at once: PostgreSQL and Redis may come up later. */
export const openServices = (config: Config, logger: Logger): RunningServices => {
  const keys = readSigningKeys(config);
  const database = openConfiguredDatabase(config);
  const lists = openListReader(database, config, logger);
  const broker = openBroker(config, logger);
  const epochs = new Epochs(broker, epochRefreshMs(config.RECONCILE_INTERVAL_MS), logger);
  // Until the epochs are known, new tasks wait for the reconciler.
  for (const { redis } of broker.lanes) redis.on('ready', () => void epochs.refresh());
  const taskWriter = new TaskWriter(database, broker, epochs, logger);
  const router = new RealtimeRouter(broker, {
    readChanges: (ownerId, after, limit) => readChanges(database, ownerId, after, limit),
    readPositions: (ownerIds) => readPositions(database, ownerIds),
    subscriberBuffer: config.SUBSCRIBER_BUFFER,
    logger,
  });
  const taskTypes = new TaskTypes(broker, logger);
  const drainingQueues = new DrainingQueues(database, logger);
  drainingQueues.keepFresh();
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
  const queueWatcher = new QueueWatcher({ database, broker }, router, logger);
  const queueListWatcher = new QueueListWatcher({ database, broker }, logger);
  const operationWatcher = new OperationWatcher(database, router, logger);
  const workerWatcher = new WorkerWatcher(broker, logger);
  const userListWatcher = new UserListWatcher(database, logger);
  const sessionWatcher = new SessionWatcher(database, logger);
  const apiKeyWatcher = new ApiKeyWatcher(database, logger);
  const auditWatcher = new AuditWatcher(database, logger);
  const flowLoaders = createFlowLoaders(database);
  const flowListWatcher = new FlowListWatcher(database, flowLoaders, logger);
  const scheduleWatcher = new ScheduleWatcher(database, logger);
  const scheduleListWatcher = new ScheduleListWatcher(database, logger);
  const statisticsWatcher = new StatisticsWatcher({ database, broker }, router, logger);
  const workWatcher = new WorkWatcher(broker, logger);
  return {
    database,
    lists,
    broker,
    epochs,
    taskWriter,
    router,
    taskTypes,
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
    queueWatcher,
    queueListWatcher,
    queueAges: createQueueAges({ broker, database }),
    operationWatcher,
    workerWatcher,
    userListWatcher,
    sessionWatcher,
    apiKeyWatcher,
    auditWatcher,
    flowListWatcher,
    scheduleWatcher,
    scheduleListWatcher,
    statisticsWatcher,
    workWatcher,
    maxResultBytes: config.MAX_RESULT_BYTES,
    workerTtlMs: config.HEARTBEAT_INTERVAL_SECONDS * 3_000,
    cancelGraceMs: config.CANCEL_GRACE_MS,
    logger,
    taskRules: {
      maxPayloadBytes: config.MAX_PAYLOAD_BYTES,
      prepare: async (types) => {
        await drainingQueues.prepare();
        await taskTypes.prepare(types);
      },
      isDraining: drainingQueues.has,
      checkPayload: taskTypes.checkPayload,
      defaultsOf: taskTypes.defaultsOf,
    },
    snapshots: new TaskSnapshots(database),
    loaders: createTaskLoaders(database),
    scheduleRuns: createScheduleRuns(database),
    waitReasons: createWaitReasons(broker, logger),
    flowLoaders,
    endSubscriptions: async () => {
      const reason = new TaskFlowError('UNAVAILABLE', 'This server is shutting down; subscribe again.');
      const watchers = [
        queueWatcher,
        queueListWatcher,
        operationWatcher,
        workerWatcher,
        userListWatcher,
        sessionWatcher,
        apiKeyWatcher,
        auditWatcher,
        flowListWatcher,
        scheduleWatcher,
        scheduleListWatcher,
        statisticsWatcher,
        workWatcher,
      ];
      await Promise.all([router.close(reason), ...watchers.map((watcher) => watcher.close(reason))]);
    },
    close: async () => {
      sessions.close();
      epochs.close();
      drainingQueues.close();
      await taskWriter.close();
      await authenticator.flush();
      broker.close();
      await lists.close();
      await database.$disconnect();
    },
  };
};
