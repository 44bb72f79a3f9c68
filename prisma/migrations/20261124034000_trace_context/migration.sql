-- The trace that a task belongs to, so that it outlives the loss of Redis.
--
-- Null in nearly all rows: adding it rewrites nothing, but takes a short exclusive lock on "tasks". Processes of the release
-- before can run beside it.

ALTER TABLE "tasks" ADD COLUMN "traceparent" TEXT;
