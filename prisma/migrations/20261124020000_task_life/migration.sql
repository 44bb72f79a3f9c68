-- Cancelling, retrying, pausing, logs. Old processes can run beside it: they do not know the new columns, which have
-- defaults, and the tables are new. Adding the columns takes a short exclusive lock on "tasks" and rewrites nothing.

ALTER TABLE "tasks"
  ADD COLUMN "backoff" TEXT,
  ADD COLUMN "cancel_requested_at" TIMESTAMPTZ(3),
  ADD COLUMN "cancel_reason" JSON,
  ADD COLUMN "submitted_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- Range of ids and the seq that its tasks have as long as nothing happened to them.
ALTER TABLE "outbox" ADD COLUMN "seq" INTEGER NOT NULL DEFAULT 1;

CREATE TABLE "queues" (
  "name" TEXT NOT NULL,
  "is_paused" BOOLEAN NOT NULL DEFAULT false,
  "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "queues_pkey" PRIMARY KEY ("name")
);

CREATE TABLE "dead_letters" (
  "task_id" UUID NOT NULL,
  "owner_id" UUID NOT NULL,
  CONSTRAINT "dead_letters_pkey" PRIMARY KEY ("task_id")
);
CREATE INDEX "dead_letters_owner_id_task_id_idx" ON "dead_letters" ("owner_id", "task_id");
INSERT INTO "dead_letters" ("task_id", "owner_id") SELECT "id", "owner_id" FROM "tasks" WHERE "status" = 'FAILED';

CREATE TABLE "task_logs" (
  "task_id" UUID NOT NULL,
  "claimed_at_seq" INTEGER NOT NULL,
  "number" INTEGER NOT NULL,
  "attempt" INTEGER NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL,
  "record" JSON NOT NULL,
  CONSTRAINT "task_logs_pkey" PRIMARY KEY ("task_id", "claimed_at_seq", "number")
) PARTITION BY RANGE ("task_id");
CREATE TABLE "task_logs_default" PARTITION OF "task_logs" DEFAULT;

-- As before, and for the logs, too: a day that lacks only their partition gets it.
CREATE OR REPLACE FUNCTION taskflow_ensure_partitions("from" TIMESTAMPTZ, "days" INTEGER) RETURNS INTEGER
LANGUAGE plpgsql AS $$
DECLARE
  made INTEGER := 0;
  day TIMESTAMP;
  low UUID;
  high UUID;
  parent TEXT;
  missing TEXT[];
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('taskflow_ensure_partitions'));
  FOR i IN 0.."days" - 1 LOOP
    day := date_trunc('day', "from" AT TIME ZONE 'UTC') + make_interval(days => i);
    low := taskflow_first_id(day AT TIME ZONE 'UTC');
    high := taskflow_first_id((day + interval '1 day') AT TIME ZONE 'UTC');
    missing := ARRAY(SELECT p FROM unnest(ARRAY['tasks', 'task_events', 'task_logs']) AS p
      WHERE to_regclass(format('%s_%s', p, to_char(day, 'YYYYMMDD'))) IS NULL);
    CONTINUE WHEN cardinality(missing) = 0;
    CONTINUE WHEN 'tasks' = ANY(missing) AND EXISTS (SELECT 1 FROM tasks_default WHERE id >= low AND id < high);
    FOREACH parent IN ARRAY missing LOOP
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) %s',
        parent || '_' || to_char(day, 'YYYYMMDD'), parent, low, high,
        CASE parent WHEN 'tasks' THEN 'WITH (fillfactor = 50)' ELSE '' END);
    END LOOP;
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;
