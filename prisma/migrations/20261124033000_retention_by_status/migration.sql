-- Retention by status: a day whose COMPLETED tasks, say, have had their time is rewritten without them. What stays is copied
-- into new tables while everybody works on; then these take the place of the day's partitions, which are dropped. Creates
-- functions only; locks nothing. Processes of the release before can run beside it.
--
-- One day at a time (the janitor holds a lock). A day that is being rewritten has, beside its partition of each daily table,
-- "<table>_<day>_kept" with the copies, triggers "taskflow_rewrite" that note which tasks have changed since the copying
-- began, and the table "taskflow_rewritten" for these notes.

CREATE FUNCTION taskflow_note_rewritten() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO taskflow_rewritten VALUES ((to_jsonb(OLD) ->> TG_ARGV[0])::uuid);
  ELSE
    INSERT INTO taskflow_rewritten VALUES ((to_jsonb(NEW) ->> TG_ARGV[0])::uuid);
  END IF;
  RETURN NULL;
END
$$;

-- The columns of a table that can be written, as a list for INSERT and SELECT.
CREATE FUNCTION taskflow_columns("table" TEXT) RETURNS TEXT LANGUAGE sql STABLE AS $$
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
  WHERE attrelid = to_regclass(quote_ident("table")) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
$$;

-- Removes what a janitor that was killed has left of a rewriting. Waits 50 ms at most for a lock, then fails with 55P03.
CREATE FUNCTION taskflow_abandon_rewrites() RETURNS VOID LANGUAGE plpgsql SET lock_timeout = '50ms' AS $$
DECLARE
  left_over RECORD;
BEGIN
  FOR left_over IN
    SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE t.tgname = 'taskflow_rewrite' AND c.relnamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %I', left_over.tgname, left_over.relname);
  END LOOP;
  FOR left_over IN
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname ~ '_[0-9]{8}_kept$'
  LOOP
    EXECUTE format('DROP TABLE %I', left_over.relname);
  END LOOP;
  DROP TABLE IF EXISTS taskflow_rewritten;
END
$$;

-- Begins to rewrite a day: from now on its changes are noted. What is left of another rewriting is removed. Waits 50 ms at most for each partition, then fails with 55P03.
CREATE FUNCTION taskflow_begin_rewrite("day" DATE) RETURNS VOID LANGUAGE plpgsql SET lock_timeout = '50ms' AS $$
DECLARE
  suffix TEXT := to_char("day", '_YYYYMMDD');
  daily RECORD;
  options TEXT;
BEGIN
  PERFORM taskflow_abandon_rewrites();
  CREATE TABLE taskflow_rewritten (task_id UUID NOT NULL);
  FOR daily IN SELECT * FROM taskflow_daily_tables() LOOP
    CONTINUE WHEN to_regclass(quote_ident(daily.name || suffix)) IS NULL;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', daily.name || suffix || '_kept', daily.name);
    -- It spares the attaching a look at all rows.
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT taskflow_rewrite CHECK (%I >= %L AND %2$I < %4$L)',
      daily.name || suffix || '_kept', daily.key,
      taskflow_first_id("day"::timestamp AT TIME ZONE 'UTC'), taskflow_first_id(("day" + 1)::timestamp AT TIME ZONE 'UTC'));
    SELECT array_to_string(reloptions, ', ') INTO options FROM pg_class WHERE oid = quote_ident(daily.name || suffix)::regclass;
    IF options IS NOT NULL THEN
      EXECUTE format('ALTER TABLE %I SET (%s)', daily.name || suffix || '_kept', options);
    END IF;
    EXECUTE format('CREATE TRIGGER taskflow_rewrite AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW
      EXECUTE FUNCTION taskflow_note_rewritten(%L)', daily.name || suffix, daily.key);
  END LOOP;
END
$$;

-- Copies these tasks of a day, with their rows of the other daily tables, but for those that ended with one of the statuses.
CREATE FUNCTION taskflow_copy_tasks("day" DATE, "ids" UUID[], "without" task_status[]) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
  suffix TEXT := to_char("day", '_YYYYMMDD');
  daily RECORD;
  staying UUID[];
BEGIN
  EXECUTE format('SELECT array_agg(id) FROM %I WHERE id = ANY($1) AND status <> ALL($2)', 'tasks' || suffix)
    INTO staying USING "ids", "without";
  FOR daily IN SELECT * FROM taskflow_daily_tables() LOOP
    CONTINUE WHEN to_regclass(quote_ident(daily.name || suffix)) IS NULL;
    EXECUTE format('INSERT INTO %I (%s) SELECT %2$s FROM %I WHERE %I = ANY($1)',
      daily.name || suffix || '_kept', taskflow_columns(daily.name), daily.name || suffix, daily.key) USING staying;
  END LOOP;
END
$$;

-- Copies the next tasks of a day with an id above "after", at most "most"; returns the last id looked at, null after the last.
CREATE FUNCTION taskflow_copy_next("day" DATE, "after" UUID, "most" INTEGER, "without" task_status[]) RETURNS UUID
LANGUAGE plpgsql AS $$
DECLARE
  ids UUID[];
BEGIN
  EXECUTE format('SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM %I WHERE id > $1 AND status <> ALL($2) ORDER BY id LIMIT $3) s',
    'tasks' || to_char("day", '_YYYYMMDD')) INTO ids USING "after", "without", "most";
  PERFORM taskflow_copy_tasks("day", ids, "without");
  RETURN ids[array_length(ids, 1)];
END
$$;

-- Puts the copies in the place of the day's partitions, which are dropped; returns false, and changes nothing, when more than
-- "most" tasks have changed since they were copied. Waits 50 ms at most for each of the tables and not at all for the
-- partitions, then fails with 55P03. One statement, because a client that stood still in the middle would hold the locks.
--
-- What has changed is copied again under the lock, so that nothing is lost that was written meanwhile.
CREATE FUNCTION taskflow_finish_rewrite("day" DATE, "without" task_status[], "most" INTEGER) RETURNS BOOLEAN
LANGUAGE plpgsql SET lock_timeout = '50ms' SET enable_seqscan = off AS $$
DECLARE
  suffix TEXT := to_char("day", '_YYYYMMDD');
  low UUID := taskflow_first_id("day"::timestamp AT TIME ZONE 'UTC');
  high UUID := taskflow_first_id(("day" + 1)::timestamp AT TIME ZONE 'UTC');
  parents TEXT;
  defaults TEXT;
  partitions TEXT;
  daily RECORD;
  changed UUID[];
BEGIN
  SELECT string_agg(format('ONLY %I', name), ', '), string_agg(format('%I', name || '_default'), ', '),
      string_agg(format('%I', name || suffix), ', ') FILTER (WHERE to_regclass(format('%I', name || suffix)) IS NOT NULL)
    INTO parents, defaults, partitions FROM taskflow_daily_tables();
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', parents);
  EXECUTE format('LOCK TABLE %s, %s IN ACCESS EXCLUSIVE MODE NOWAIT', defaults, partitions);
  SELECT array_agg(DISTINCT task_id) INTO changed FROM taskflow_rewritten;
  IF cardinality(changed) > "most" THEN
    RETURN false;
  END IF;
  FOR daily IN SELECT * FROM taskflow_daily_tables() LOOP
    CONTINUE WHEN to_regclass(quote_ident(daily.name || suffix || '_kept')) IS NULL;
    EXECUTE format('DELETE FROM %I WHERE %I = ANY($1)', daily.name || suffix || '_kept', daily.key) USING changed;
  END LOOP;
  PERFORM taskflow_copy_tasks("day", changed, "without");
  FOR daily IN SELECT * FROM taskflow_daily_tables() LOOP
    CONTINUE WHEN to_regclass(quote_ident(daily.name || suffix || '_kept')) IS NULL;
    EXECUTE format('DROP TABLE %I', daily.name || suffix);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', daily.name || suffix || '_kept', daily.name || suffix);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', daily.name, daily.name || suffix, low, high);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT taskflow_rewrite', daily.name || suffix);
  END LOOP;
  EXECUTE format('COMMENT ON TABLE %I IS %L', 'tasks' || suffix, 'without ' || array_to_string("without", ' '));
  DROP TABLE taskflow_rewritten;
  RETURN true;
END
$$;
