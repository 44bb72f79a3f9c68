-- Whether a manager still leads a shard, and nobody else shall until this transaction ends.
--
-- The recorder asks it within the statement that writes transitions. The row's lock is taken in a statement of the function's own,
-- since PostgreSQL 18.0 to 18.4 crash when one statement both locks rows that have just changed and leaves out partitions as it
-- runs (docs/decisions/row-locks-apart.md).
--
-- Takes no lock on any table. Processes of the release before can run beside it: they do not call it.

CREATE FUNCTION taskflow_leads("shard" TEXT, "of_term" BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM shards WHERE id = shard AND term = of_term FOR SHARE;
  RETURN FOUND;
END
$$;
