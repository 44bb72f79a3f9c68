-- Cron schedules. Creates only; of what exists it locks "users", against writes, for as long as it takes to add a foreign key
-- from an empty table. Processes of the release before can run beside it.

CREATE TYPE "missed_runs" AS ENUM ('SKIP', 'RUN_ONCE');

CREATE TABLE "schedules" (
  "id" UUID NOT NULL,
  "owner_id" UUID NOT NULL,
  "name" TEXT NOT NULL,
  "cron" TEXT NOT NULL,
  "time_zone" TEXT NOT NULL,
  "missed_runs" "missed_runs" NOT NULL,
  "is_paused" BOOLEAN NOT NULL DEFAULT false,
  "next_run_at" TIMESTAMPTZ(3),
  "type" TEXT NOT NULL,
  "queue" TEXT NOT NULL,
  "payload" JSONB NOT NULL,
  "priority" "task_priority" NOT NULL,
  "max_attempts" INTEGER NOT NULL,
  "timeout_ms" INTEGER,
  "backoff" TEXT,
  "tags" TEXT[],
  "last_run_at" TIMESTAMPTZ(3),
  "last_task_id" UUID,
  "last_error" TEXT,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "schedules_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "schedules_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "schedules_owner_id_name_key" ON "schedules" ("owner_id", "name");
CREATE INDEX "schedules_owner_id_id_idx" ON "schedules" ("owner_id", "id");
-- Managers look here for what is due, each of them at least once a second.
CREATE INDEX "schedules_next_run_at_idx" ON "schedules" ("next_run_at");

CREATE TABLE "schedule_runs" (
  "schedule_id" UUID NOT NULL,
  "due_at" TIMESTAMPTZ(3) NOT NULL,
  "task_id" UUID NOT NULL,
  CONSTRAINT "schedule_runs_pkey" PRIMARY KEY ("schedule_id", "due_at"),
  CONSTRAINT "schedule_runs_schedule_id_fkey" FOREIGN KEY ("schedule_id") REFERENCES "schedules" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
