-- Indexes for searching tasks, and what running tasks say beside their progress.
--
-- Locks "tasks" against writes while the two indexes are built, about two seconds per million tasks. Processes of the release
-- before can run beside it.

-- Null in nearly all rows: adding it rewrites nothing.
ALTER TABLE "tasks" ADD COLUMN "progress_detail" JSON;

-- In place of (owner_id, id): the same order, and a search by type or queue reads only the index until it finds some. It costs
-- a submission nothing that could be measured; an index each on type and queue would cost 1 us a task.
CREATE INDEX "tasks_owner_id_id_type_queue_idx" ON "tasks" ("owner_id", "id", "type", "queue");
DROP INDEX "tasks_owner_id_id_idx";

-- Partial, so that it costs tasks without tags nothing.
CREATE INDEX "tasks_tags_idx" ON "tasks" USING gin ("tags") WHERE "tags" <> '{}';
