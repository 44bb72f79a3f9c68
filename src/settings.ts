import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { redisSettings } from './redis-settings.ts';
import { list, setting, wholeNumber, wholeNumberOrNone } from './setting.ts';

const isAddressRange = (text: string): boolean => ipaddr.isValid(text) || ipaddr.isValidCIDR(text);

/** A host, with `*.` before it for those below it; `*` for any. Ports are 80 and 443 where none is given. */
const HOST_RULE = /^(?:\*|(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/;

const isHttpUrl = (text: string): boolean =>
  text === '' || (URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol));

const isOrigin = (text: string): boolean => text === '*' || (URL.canParse(text) && new URL(text).origin === text);

/**
 * Every setting: its environment variable, form, default and meaning. config.ts reads them from the environment.
 * The README's table of settings is compared with this one by a test.
 */
export const SettingsSchema = z.object({
  DATABASE_URL: setting(z.string().default(''), 'URL', 'PostgreSQL. Needed by api, manager, janitor and migrate.'),
  DATABASE_DIRECT_URL: setting(
    z.string().default(''),
    'URL',
    'PostgreSQL itself, where DATABASE_URL leads to PgBouncer: migrate, janitor, after-restore and payload-index need sessions of their own.',
  ),
  DATABASE_REPLICA_URL: setting(
    z.string().default(''),
    'URL',
    'A replica that streams from PostgreSQL, for lists of tasks, flows, schedules, operations and audit entries. Empty: none.',
  ),
  DATABASE_REPLICA_MAX_LAG_MS: setting(
    wholeNumber(5_000, 100, 600_000),
    'ms',
    'How old such a list may be: while the replica is further behind, or away, PostgreSQL itself is asked.',
  ),
  DATABASE_PREPARED_STATEMENTS: setting(
    z.stringbool().default(true),
    'true or false',
    'Prepares statements once a connection. false for a PgBouncer that does not know of them; costs about a third of the throughput.',
  ),
  DATABASE_POOL_SIZE: setting(
    wholeNumber(10, 2, 500),
    'connections',
    'PostgreSQL connections of one process, at most.',
  ),
  DATABASE_TIMEOUT_MS: setting(
    wholeNumber(5_000, 100, 600_000),
    'ms',
    'How long connecting to PostgreSQL, or one statement, may take.',
  ),

  ...redisSettings('HIGH'),
  ...redisSettings('LOW'),
  REDIS_KEY_PREFIX: setting(
    z
      .string()
      .regex(/^[a-z0-9_-]{1,40}$/)
      .default('tf'),
    'text',
    'Before every key; TaskFlows with different ones share a Redis.',
  ),
  REDIS_TIMEOUT_MS: setting(wholeNumber(2_000, 50, 60_000), 'ms', 'How long one Redis command may take.'),
  SHARDS_PER_LANE: setting(
    wholeNumber(1, 1, 64),
    'shards',
    'Partitions of a lane. The same for all processes; to change it, let all tasks end first.',
  ),

  HOST: setting(z.string().default('0.0.0.0'), 'address', 'Where the api listens.'),
  PORT: setting(wholeNumber(4_000, 0, 65_535), 'port', 'Where the api listens.'),
  SECRET_KEY: setting(
    z.string().default(''),
    'text',
    'Signs the tokens of logins. Needed by api; at least 32 random characters (48 for HS384, 64 for HS512).',
  ),
  ALGORITHM: setting(
    z.enum(['HS256', 'HS384', 'HS512', 'RS256', 'EdDSA']).default('HS256'),
    'name',
    'How tokens are signed: HS… with SECRET_KEY, RS256 and EdDSA with PRIVATE_KEY_FILE.',
  ),
  PRIVATE_KEY_FILE: setting(z.string().default(''), 'file', 'The key that signs tokens by RS256 or EdDSA, as PEM.'),
  PUBLIC_KEY_FILE: setting(
    z.string().default(''),
    'file',
    'The key that checks them, as PEM. Empty: worked out from the private one.',
  ),
  TOKEN_ISSUER: setting(z.string().default('taskflow'), 'text', 'Who makes tokens; those of others are refused.'),
  TOKEN_AUDIENCE: setting(z.string().default('taskflow'), 'text', 'For whom tokens are; those for others are refused.'),
  ACCESS_TOKEN_EXPIRE_MINUTES: setting(
    wholeNumber(180, 1, 525_600),
    'minutes',
    'How long the token of a login is valid.',
  ),
  LOGIN_EXPIRE_DAYS: setting(wholeNumber(30, 1, 365), 'days', 'How long a login may be renewed without the password.'),
  PASSWORD_MEMORY_KIB: setting(
    wholeNumber(19_456, 8, 4_194_304),
    'KiB',
    'Memory of one hash of a password (argon2id). Older hashes are made anew at the next login.',
  ),
  PASSWORD_PASSES: setting(wholeNumber(2, 1, 1_000), 'passes', 'Passes over this memory.'),
  PASSWORD_PARALLELISM: setting(wholeNumber(1, 1, 64), 'threads', 'Threads of one hash.'),
  API_KEY_MAY_NEVER_EXPIRE: setting(
    z.stringbool().default(false),
    'true or false',
    'Allows API keys without an end (expiresInDays: 0).',
  ),
  MAX_PAYLOAD_BYTES: setting(wholeNumber(262_144, 1, 16_777_216), 'bytes', 'Largest payload of a task, as JSON.'),
  MAX_REQUEST_BYTES: setting(
    wholeNumber(2_097_152, 1_024, 268_435_456),
    'bytes',
    'Largest body of an HTTP request, and largest message of a socket.',
  ),
  REQUEST_TIMEOUT_MS: setting(
    wholeNumber(30_000, 100, 600_000),
    'ms',
    'How long a client may take to send one HTTP request; a third of it for its headers.',
  ),
  CANCEL_GRACE_MS: setting(
    wholeNumber(10_000, 0, 3_600_000),
    'ms',
    'How long a running task may go on after it was told to stop; then it is CANCELLED without its worker.',
  ),
  SUBSCRIBER_BUFFER: setting(
    wholeNumber(10_000, 10, 1_000_000),
    'messages',
    'How far one subscriber may fall behind before it is cut off.',
  ),

  TRUSTED_PROXIES: setting(
    list(isAddressRange, 'must be addresses or CIDRs'),
    'addresses',
    'Proxies before the api, as addresses or CIDRs with commas between: only their X-Forwarded-For counts.',
  ),
  RATE_LIMIT_PER_HOUR: setting(
    wholeNumber(1_000, 0, 1_000_000_000),
    'requests',
    'Requests from one address in an hour, without valid credentials or with a watch token. 0: no limit.',
  ),
  USER_RATE_LIMIT_PER_HOUR: setting(
    wholeNumber(500, 0, 1_000_000_000),
    'requests',
    'Requests of one user in an hour; an API key may have a limit of its own. 0: no limit.',
  ),
  USER_SOCKET_READS_PER_HOUR: setting(
    wholeNumber(10_000, 0, 1_000_000_000),
    'operations',
    "Queries and subscriptions of one user's logins over WebSockets in an hour: they count here and not as requests. 0: no limit.",
  ),
  MAX_FAILED_ATTEMPTS: setting(
    wholeNumber(10, 1, 1_000_000),
    'attempts',
    'Wrong passwords for one account, or from one address, that lock it.',
  ),
  LOCKOUT_DURATION_SECONDS: setting(
    wholeNumber(900, 1, 86_400),
    'seconds',
    'How long such a lock lasts, and after how long a wrong password is forgotten.',
  ),
  CORS_ORIGINS: setting(
    list(isOrigin, 'must be origins, as https://example.com, or *'),
    'origins',
    'Web pages of other origins that may use the api, with commas between; * for all.',
  ),
  GRAPHIQL: setting(z.stringbool().default(false), 'true or false', 'Shows GraphiQL to browsers.'),
  INTROSPECTION: setting(
    z.stringbool().default(false),
    'true or false',
    'Tells clients the schema, and what they may have meant. GraphiQL needs it.',
  ),
  PERSISTED_OPERATIONS: setting(
    z.string().default(''),
    'file',
    'A JSON object of documents by their SHA-256: then only these run. Empty: any document runs.',
  ),
  MAX_SOCKETS: setting(wholeNumber(20_000, 1, 1_000_000), 'sockets', 'Open WebSockets of one api process, at most.'),
  MAX_WAITING_SOCKETS: setting(
    wholeNumber(5_000, 1, 1_000_000),
    'sockets',
    'Of these, how many may not have said yet who they are; beyond it the oldest is dropped.',
  ),
  MAX_SUBSCRIPTIONS_PER_SOCKET: setting(
    wholeNumber(1_000, 1, 1_000_000),
    'operations',
    'Operations that may run on one WebSocket at once.',
  ),

  WORKER_QUEUES: setting(
    z
      .string()
      .regex(/^(\*|[a-z0-9._-]{1,64}(:[1-9]\d{0,4})?(,[a-z0-9._-]{1,64}(:[1-9]\d{0,4})?)*)$/)
      .default('*'),
    'names',
    'Queues that a worker serves, with commas between; * for all. `mail:5` runs five tasks of this queue at once, at most.',
  ),
  WORKER_CONCURRENCY: setting(wholeNumber(100, 1, 10_000), 'tasks', 'How many tasks a worker runs at once.'),
  WORKER_TASKS: setting(
    z.string().default(''),
    'folder',
    'Whose .ts and .js files export further task types for a worker. Empty: none.',
  ),
  WORKER_WATCH: setting(
    z.stringbool().default(false),
    'true or false',
    'Loads this folder again whenever it changes; running tasks go on as they began.',
  ),
  WORKER_THREADS: setting(
    wholeNumber(0, 0, 1_024),
    'threads',
    'Threads in which a worker runs isolated tasks, at most. 0: as many as the processors allow.',
  ),
  WORKER_THREAD_MEMORY_MB: setting(
    wholeNumber(512, 16, 65_536),
    'MB',
    'Heap of one of these threads. One that grows beyond it is ended, and its task fails.',
  ),
  WORKER_BUILTINS: setting(
    z.stringbool().default(true),
    'true or false',
    'Whether a worker has the built-in task types.',
  ),
  MAX_RESULT_BYTES: setting(wholeNumber(1_048_576, 1, 67_108_864), 'bytes', 'Largest result of a task, as JSON.'),
  LEASE_MS: setting(
    wholeNumber(30_000, 300, 3_600_000),
    'ms',
    'How long a worker may be silent before its tasks are given to another. Extended at a third of it.',
  ),
  HEARTBEAT_INTERVAL_SECONDS: setting(
    z.coerce.number().min(0.1).max(3_600).default(30),
    'seconds',
    'How often a worker says that it lives; after three missed ones it is no longer listed.',
  ),
  SHUTDOWN_GRACE_MS: setting(
    wholeNumber(10_000, 0, 3_600_000),
    'ms',
    'How long running tasks may go on after SIGTERM; the rest is handed back.',
  ),
  SHUTDOWN_DRAIN_MS: setting(
    wholeNumber(0, 0, 30_000),
    'ms',
    'How long an api serves on after SIGTERM while its /readyz says no, so that proxies turn away from it first.',
  ),

  LEADER_LEASE_MS: setting(
    wholeNumber(3_000, 300, 60_000),
    'ms',
    'After how long another manager takes over a shard whose leader died.',
  ),
  RECONCILE_INTERVAL_MS: setting(
    wholeNumber(5_000, 100, 600_000),
    'ms',
    'How often a manager looks for committed tasks that Redis does not know.',
  ),

  API_KEY_STALE_DAYS: setting(
    wholeNumber(30, 0, 36_500),
    'days',
    'API keys unused for so long (or never used, since they were made) are revoked. 0: never.',
  ),
  API_KEY_RETENTION_DAYS: setting(
    wholeNumber(30, 0, 36_500),
    'days',
    'How long revoked and expired API keys are still shown to their owners. 0: for ever.',
  ),
  IDEMPOTENCY_KEY_RETENTION_HOURS: setting(
    wholeNumber(24, 0, 876_000),
    'hours',
    'How long an idempotency key returns its task; in any case until that has ended. 0: for ever.',
  ),
  TASK_RETENTION_DAYS: setting(
    wholeNumber(30, 0, 36_500),
    'days',
    'How long tasks and their events are kept after the day of their submission. 0: for ever.',
  ),
  COMPLETED_RETENTION_DAYS: setting(
    wholeNumberOrNone(0, 36_500),
    'days',
    'The same of tasks that are COMPLETED. Empty: TASK_RETENTION_DAYS.',
  ),
  FAILED_RETENTION_DAYS: setting(
    wholeNumberOrNone(0, 36_500),
    'days',
    'The same of tasks that are FAILED. Empty: TASK_RETENTION_DAYS.',
  ),
  CANCELLED_RETENTION_DAYS: setting(
    wholeNumberOrNone(0, 36_500),
    'days',
    'The same of tasks that are CANCELLED. Empty: TASK_RETENTION_DAYS.',
  ),
  QUEUE_MINUTES_RETENTION_DAYS: setting(
    wholeNumber(90, 0, 36_500),
    'days',
    'How long the counts per queue and minute are kept, which the plots show. 0: for ever.',
  ),
  AUDIT_RETENTION_DAYS: setting(wholeNumber(365, 0, 36_500), 'days', 'How long it is kept who did what. 0: for ever.'),

  TASKFLOW_HOME: setting(
    z.string().default('.taskflow'),
    'folder',
    'Data of `taskflow up`: PostgreSQL, Redis, the sample login.',
  ),
  FILES_DIR: setting(
    z.string().default(''),
    'folder',
    'The folder that the built-in tasks may read files from; image.thumbnail writes to `thumbnails` in it. Empty: none.',
  ),
  HTTP_ALLOWED_HOSTS: setting(
    list(
      (host) => HOST_RULE.test(host),
      'must be host names, as api.example.com, *.example.com, example.com:8443 or *',
    ),
    'hosts',
    'Whom the task http.request may ask, with commas between: `api.example.com`, `*.example.com`, `example.com:8443`; `*` for any public one. Empty: the task is off.',
  ),
  LOG_LEVEL: setting(
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
    'name',
    'What is logged.',
  ),
  METRICS_PORT: setting(
    wholeNumberOrNone(0, 65_535),
    'port',
    'Where each process answers `/metrics`, `/healthz` and `/readyz`. Empty: nowhere.',
  ),
  METRICS_HOST: setting(
    z.string().default('127.0.0.1'),
    'address',
    'The address of that port. Whoever reaches it reads the names of queues and task types: keep it private.',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    z.string().default('').refine(isHttpUrl, 'must be an http:// or https:// address'),
    'URL',
    'Whom traces are sent to, by OTLP over HTTP. Empty: none are made.',
  ),
  OTEL_TRACES_SAMPLER_ARG: setting(
    z.coerce.number().min(0).max(1).default(1),
    'share',
    'Of the traces that begin here, how many are kept: 0 to 1. Those that a client began are kept as it says.',
  ),
});

export interface SettingDocumentation {
  name: string;
  unit: string;
  /** As it would be written in the environment; empty for none. */
  default: string;
  description: string;
}

/** All settings with their units, defaults and meanings, in order. */
export const documentedSettings = (): SettingDocumentation[] =>
  Object.entries(SettingsSchema.shape).map(([name, schema]) => {
    const { unit, description } = schema.meta() as { unit: string; description: string };
    return { name, unit, default: String(schema.parse(undefined) ?? ''), description };
  });
