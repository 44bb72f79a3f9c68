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
-- Its partitions of a day are made with those of the other daily tables.
CREATE TABLE "task_logs_default" PARTITION OF "task_logs" DEFAULT;
