-- Tasks that wait for others, and flows. Adding the columns takes a short exclusive lock on "tasks" and rewrites nothing; the
-- tables are new. Processes of the release before can run beside it, but their recorders do not say when a parent has ended:
-- dependsOn and createFlow are to be used when all managers are of this release.

CREATE TYPE "parent_failure_action" AS ENUM ('CANCEL', 'RUN');

ALTER TABLE "tasks"
  ADD COLUMN "has_dependents" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "parent_results" JSON;

CREATE TABLE "task_dependencies" (
  "child_id" UUID NOT NULL,
  "parent_id" UUID NOT NULL,
  "place" INTEGER NOT NULL,
  "name" TEXT,
  "on_failure" "parent_failure_action" NOT NULL,
  "status" "task_status",
  CONSTRAINT "task_dependencies_pkey" PRIMARY KEY ("child_id", "parent_id")
) PARTITION BY RANGE ("child_id");
-- For those who want to see the dependents of a task. Whoever resolves dependencies looks into "pending_dependencies".
CREATE INDEX "task_dependencies_parent_id_child_id_idx" ON "task_dependencies" ("parent_id", "child_id");
-- Its partitions of a day, and those of "flow_tasks", are made with those of the other daily tables.
CREATE TABLE "task_dependencies_default" PARTITION OF "task_dependencies" DEFAULT;

-- Not partitioned: children are looked up by a parent's id, which says nothing about their day. It holds only what is waited
-- for now.
CREATE TABLE "pending_dependencies" (
  "parent_id" UUID NOT NULL,
  "child_id" UUID NOT NULL,
  "parent_seq" INTEGER NOT NULL,
  CONSTRAINT "pending_dependencies_pkey" PRIMARY KEY ("parent_id", "child_id")
);
CREATE INDEX "pending_dependencies_child_id_idx" ON "pending_dependencies" ("child_id");

-- A list of work. The same end may stand there twice: a unique key would let a later entry be lost while the earlier one is
-- being served.
CREATE TABLE "ended_parents" (
  "id" BIGSERIAL NOT NULL,
  "task_id" UUID NOT NULL,
  "seq" INTEGER NOT NULL,
  "status" "task_status" NOT NULL,
  CONSTRAINT "ended_parents_pkey" PRIMARY KEY ("id")
);

-- Not partitioned: the rows of the daily tables go with a task each, and a flow has many. The janitor deletes flows that are left
-- without tasks.
CREATE TABLE "flows" (
  "id" UUID NOT NULL,
  "owner_id" UUID NOT NULL,
  "name" TEXT NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "flows_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "flows_owner_id_id_idx" ON "flows" ("owner_id", "id");

CREATE TABLE "flow_tasks" (
  "task_id" UUID NOT NULL,
  "flow_id" UUID NOT NULL,
  "place" INTEGER NOT NULL,
  "name" TEXT NOT NULL,
  CONSTRAINT "flow_tasks_pkey" PRIMARY KEY ("task_id")
) PARTITION BY RANGE ("task_id");
CREATE INDEX "flow_tasks_flow_id_place_idx" ON "flow_tasks" ("flow_id", "place");
CREATE TABLE "flow_tasks_default" PARTITION OF "flow_tasks" DEFAULT;
