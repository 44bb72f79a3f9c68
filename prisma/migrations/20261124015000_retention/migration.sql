-- What the janitor needs: indexes to find what is old, and functions that make and drop the partitions of a day.
--
-- Locks "idempotency_keys" and "queue_minutes" against writes while their indexes are built, about a second per million
-- rows. Processes of the release before can run beside it.

CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys" ("created_at");
-- Costs the recorder nothing: a minute is inserted once a queue, and never changes.
CREATE INDEX "queue_minutes_minute_idx" ON "queue_minutes" ("minute");

-- The tables that have a partition a day, with the column that holds the task's UUIDv7: all that are partitioned by a range
-- and have a default partition, named "<table>_default". `tasks` comes first: all take their locks in this order.
CREATE FUNCTION taskflow_daily_tables() RETURNS TABLE ("name" TEXT, "key" TEXT)
LANGUAGE sql STABLE AS $$
  SELECT c.relname::text, a.attname::text
  FROM pg_partitioned_table p
  JOIN pg_class c ON c.oid = p.partrelid
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
  WHERE c.relnamespace = current_schema()::regnamespace AND p.partstrat = 'r' AND p.partdefid <> 0
  ORDER BY c.relname <> 'tasks', c.relname
$$;

-- Of the "days" days (UTC) from that of "from" on, those that lack a partition and can have one: not a day of which a default
-- partition holds rows already.
CREATE FUNCTION taskflow_missing_days("from" TIMESTAMPTZ, "days" INTEGER) RETURNS SETOF DATE
LANGUAGE plpgsql STABLE AS $$
DECLARE
  day DATE;
  daily RECORD;
  is_missing BOOLEAN;
  is_taken BOOLEAN;
  has_rows BOOLEAN;
BEGIN
  FOR i IN 0.."days" - 1 LOOP
    day := ("from" AT TIME ZONE 'UTC')::date + i;
    is_missing := false;
    is_taken := false;
    FOR daily IN SELECT * FROM taskflow_daily_tables() LOOP
      CONTINUE WHEN to_regclass(format('%I', daily.name || to_char(day, '_YYYYMMDD'))) IS NOT NULL;
      is_missing := true;
      EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE %I >= $1 AND %2$I < $2)', daily.name || '_default', daily.key)
        INTO has_rows
        USING taskflow_first_id(day::timestamp AT TIME ZONE 'UTC'), taskflow_first_id((day + 1)::timestamp AT TIME ZONE 'UTC');
      is_taken := is_taken OR has_rows;
    END LOOP;
    IF is_missing AND NOT is_taken THEN
      RETURN NEXT day;
    END IF;
  END LOOP;
END
$$;

-- Makes the missing partitions of each daily table, with the storage settings of its default partition; returns for how many
-- days. Safe to call from many processes at once. A new partition needs an exclusive lock on its table, and whoever waits for
-- one makes all others wait behind it: it waits 50 ms at most, then fails with 55P03, and is to be called again.
CREATE OR REPLACE FUNCTION taskflow_ensure_partitions("from" TIMESTAMPTZ, "days" INTEGER) RETURNS INTEGER
LANGUAGE plpgsql SET lock_timeout = '50ms' AS $$
DECLARE
  made INTEGER := 0;
  day DATE;
  daily RECORD;
  options TEXT;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('taskflow_ensure_partitions'));
  FOR day IN SELECT * FROM taskflow_missing_days("from", "days") LOOP
    FOR daily IN SELECT * FROM taskflow_daily_tables() LOOP
      CONTINUE WHEN to_regclass(format('%I', daily.name || to_char(day, '_YYYYMMDD'))) IS NOT NULL;
      SELECT 'WITH (' || array_to_string(reloptions, ', ') || ')' INTO options
        FROM pg_class WHERE oid = format('%I', daily.name || '_default')::regclass;
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) %s',
        daily.name || to_char(day, '_YYYYMMDD'), daily.name,
        taskflow_first_id(day::timestamp AT TIME ZONE 'UTC'), taskflow_first_id((day + 1)::timestamp AT TIME ZONE 'UTC'), options);
    END LOOP;
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;

-- Drops a day's partitions of all daily tables together; returns false, and drops nothing, when one of its tasks has not
-- ended. Waits 50 ms at most for each of the tables and not at all for the partitions, then fails with 55P03. One statement,
-- because a client that stood still in the middle would hold the locks meanwhile.
--
-- DETACH CONCURRENTLY would not lock the tables, but is refused where there is a default partition.
--
-- The unfinished tasks are counted under the lock, so that none can appear after it; their partial index (the janitor makes
-- it) keeps that short, and the planner must not prefer to read the whole partition.
CREATE FUNCTION taskflow_drop_day("day" DATE) RETURNS BOOLEAN
LANGUAGE plpgsql SET lock_timeout = '50ms' SET enable_seqscan = off AS $$
DECLARE
  suffix TEXT := to_char("day", '_YYYYMMDD');
  parents TEXT;
  defaults TEXT;
  partitions TEXT;
  is_held BOOLEAN;
BEGIN
  SELECT string_agg(format('ONLY %I', name), ', '), string_agg(format('%I', name || '_default'), ', '),
      string_agg(format('%I', name || suffix), ', ') FILTER (WHERE to_regclass(format('%I', name || suffix)) IS NOT NULL)
    INTO parents, defaults, partitions FROM taskflow_daily_tables();
  IF partitions IS NULL THEN
    RETURN true;
  END IF;
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', parents);
  EXECUTE format('LOCK TABLE %s, %s IN ACCESS EXCLUSIVE MODE NOWAIT', defaults, partitions);
  IF to_regclass(format('%I', 'tasks' || suffix)) IS NOT NULL THEN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE finished_at IS NULL)', 'tasks' || suffix) INTO is_held;
    IF is_held THEN
      RETURN false;
    END IF;
  END IF;
  EXECUTE format('DROP TABLE %s', partitions);
  RETURN true;
END
$$;
