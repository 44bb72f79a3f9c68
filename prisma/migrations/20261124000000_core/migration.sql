-- The first schema. Creates only; locks nothing that exists.

CREATE TYPE "task_status" AS ENUM ('SCHEDULED', 'WAITING', 'QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED');
CREATE TYPE "task_priority" AS ENUM ('HIGH', 'NORMAL', 'LOW');
CREATE TYPE "api_key_scope" AS ENUM ('TASKS_READ', 'TASKS_WRITE', 'QUEUES_ADMIN', 'KEYS_ADMIN', 'WORKER');

CREATE TABLE "users" (
  "id" UUID NOT NULL,
  "email" TEXT NOT NULL,
  "username" TEXT NOT NULL,
  "password_hash" TEXT NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "users_email_key" ON "users" ("email");
CREATE UNIQUE INDEX "users_username_key" ON "users" ("username");

CREATE TABLE "api_keys" (
  "id" UUID NOT NULL,
  "user_id" UUID NOT NULL,
  "name" TEXT NOT NULL,
  "prefix" TEXT NOT NULL,
  "secret_hash" BYTEA NOT NULL,
  "scopes" "api_key_scope"[],
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "expires_at" TIMESTAMPTZ(3),
  "last_used_at" TIMESTAMPTZ(3),
  "revoked_at" TIMESTAMPTZ(3),
  CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "api_keys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "api_keys_secret_hash_key" ON "api_keys" ("secret_hash");
CREATE INDEX "api_keys_user_id_idx" ON "api_keys" ("user_id");

-- Partitioned by ranges of the UUIDv7, which are spans of time.
CREATE TABLE "tasks" (
  "id" UUID NOT NULL,
  "owner_id" UUID NOT NULL,
  "type" TEXT NOT NULL,
  "queue" TEXT NOT NULL,
  "payload" JSONB NOT NULL,
  "priority" "task_priority" NOT NULL,
  "status" "task_status" NOT NULL,
  "seq" INTEGER NOT NULL,
  "attempt" INTEGER NOT NULL DEFAULT 0,
  "max_attempts" INTEGER NOT NULL,
  "timeout_ms" INTEGER,
  "progress" REAL,
  "result" JSON,
  "error" JSON,
  "worker_id" TEXT,
  "tags" TEXT[],
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "run_at" TIMESTAMPTZ(3),
  "started_at" TIMESTAMPTZ(3),
  "finished_at" TIMESTAMPTZ(3),
  CONSTRAINT "tasks_pkey" PRIMARY KEY ("id")
) PARTITION BY RANGE ("id");
CREATE INDEX "tasks_owner_id_id_idx" ON "tasks" ("owner_id", "id");

CREATE TABLE "task_events" (
  "task_id" UUID NOT NULL,
  "seq" INTEGER NOT NULL,
  "owner_id" UUID NOT NULL,
  "position" BIGINT NOT NULL,
  "status" "task_status" NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL,
  "attempt" INTEGER NOT NULL,
  "worker_id" TEXT,
  "detail" JSON,
  CONSTRAINT "task_events_pkey" PRIMARY KEY ("task_id", "seq")
) PARTITION BY RANGE ("task_id");
CREATE INDEX "task_events_owner_id_position_idx" ON "task_events" ("owner_id", "position");

-- Catches the id of a clock gone astray.
CREATE TABLE "tasks_default" PARTITION OF "tasks" DEFAULT WITH (fillfactor = 50);
CREATE TABLE "task_events_default" PARTITION OF "task_events" DEFAULT;

-- One hot row an owner, updated with every batch: most of its page stays free for the next versions.
CREATE TABLE "owner_feeds" (
  "owner_id" UUID NOT NULL,
  "position" BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT "owner_feeds_pkey" PRIMARY KEY ("owner_id")
) WITH (fillfactor = 10);

CREATE TABLE "idempotency_keys" (
  "owner_id" UUID NOT NULL,
  "key" TEXT NOT NULL,
  "task_id" UUID NOT NULL,
  "request_hash" BYTEA NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("owner_id", "key")
);

CREATE TABLE "shards" (
  "id" TEXT NOT NULL,
  "term" BIGINT NOT NULL DEFAULT 0,
  "epoch" BIGINT NOT NULL DEFAULT 0,
  "epoch_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "previous_epoch_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "shards_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 10);

CREATE TABLE "outbox" (
  "id" UUID NOT NULL,
  "shard_id" TEXT NOT NULL,
  "min_id" UUID NOT NULL,
  "max_id" UUID NOT NULL,
  "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "queue_minutes" (
  "queue" TEXT NOT NULL,
  "minute" TIMESTAMPTZ(0) NOT NULL,
  "completed" INTEGER NOT NULL DEFAULT 0,
  "failed" INTEGER NOT NULL DEFAULT 0,
  "cancelled" INTEGER NOT NULL DEFAULT 0,
  "total_ms" BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT "queue_minutes_pkey" PRIMARY KEY ("queue", "minute")
) WITH (fillfactor = 50);

-- The smallest UUIDv7 of an instant: 48 bits of milliseconds, then the version and the variant.
CREATE FUNCTION taskflow_first_id("at" TIMESTAMPTZ) RETURNS UUID
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM "at") * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- Makes the daily partitions (UTC) of both tables from the day of "from" on, for "days" days; returns how many were made.
-- Safe to call from many processes at once. A day of which the default partition already holds rows is left to it.
CREATE FUNCTION taskflow_ensure_partitions("from" TIMESTAMPTZ, "days" INTEGER) RETURNS INTEGER
LANGUAGE plpgsql AS $$
DECLARE
  made INTEGER := 0;
  day TIMESTAMP;
  low UUID;
  high UUID;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('taskflow_ensure_partitions'));
  FOR i IN 0.."days" - 1 LOOP
    day := date_trunc('day', "from" AT TIME ZONE 'UTC') + make_interval(days => i);
    low := taskflow_first_id(day AT TIME ZONE 'UTC');
    high := taskflow_first_id((day + interval '1 day') AT TIME ZONE 'UTC');
    CONTINUE WHEN to_regclass(format('tasks_%s', to_char(day, 'YYYYMMDD'))) IS NOT NULL;
    CONTINUE WHEN EXISTS (SELECT 1 FROM tasks_default WHERE id >= low AND id < high);
    EXECUTE format('CREATE TABLE %I PARTITION OF tasks FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = 50)',
      'tasks_' || to_char(day, 'YYYYMMDD'), low, high);
    EXECUTE format('CREATE TABLE %I PARTITION OF task_events FOR VALUES FROM (%L) TO (%L)',
      'task_events_' || to_char(day, 'YYYYMMDD'), low, high);
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;
