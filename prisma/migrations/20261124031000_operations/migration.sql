-- Operations on many tasks, and queues that take no new tasks. Creates only, but for a column with a default, which takes a
-- short exclusive lock on "queues" and rewrites nothing. Processes of the release before can run beside it: they do not know
-- that a queue is draining, and go on to submit to it.

ALTER TABLE "queues" ADD COLUMN "is_draining" BOOLEAN NOT NULL DEFAULT false;

CREATE TYPE "operation_kind" AS ENUM ('RETRY', 'CANCEL', 'DELETE', 'PURGE');
CREATE TYPE "operation_status" AS ENUM ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED');

-- Without foreign keys: an operation that has begun is finished, and kept for a while, when the account of who began it is gone.
-- Half of each page stays free, since a row is updated with every chunk.
CREATE TABLE "operations" (
  "id" UUID NOT NULL,
  "owner_id" UUID,
  "actor_id" UUID NOT NULL,
  "kind" "operation_kind" NOT NULL,
  "filter" JSONB NOT NULL,
  "queue" TEXT,
  "reason" JSON,
  "is_dry_run" BOOLEAN NOT NULL,
  "status" "operation_status" NOT NULL DEFAULT 'QUEUED',
  "cursor" UUID,
  "pending" UUID[],
  "tries" INTEGER NOT NULL DEFAULT 0,
  "broker_count" INTEGER NOT NULL DEFAULT 0,
  "matched" INTEGER NOT NULL DEFAULT 0,
  "done" INTEGER NOT NULL DEFAULT 0,
  "skipped" INTEGER NOT NULL DEFAULT 0,
  "error" TEXT,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "finished_at" TIMESTAMPTZ(3),
  CONSTRAINT "operations_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 50);
CREATE INDEX "operations_owner_id_id_idx" ON "operations" ("owner_id", "id");
CREATE INDEX "operations_actor_id_id_idx" ON "operations" ("actor_id", "id");
-- Managers look here for those that have not ended, a few times a second; the janitor for those that ended long ago.
CREATE INDEX "operations_finished_at_idx" ON "operations" ("finished_at");
