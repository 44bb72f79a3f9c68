import { type Database, Prisma } from '../../src/database/client.ts';
import { FIRST_STATUSES, hasEnded, LEGAL_MOVES, TASK_STATUSES } from '../../src/tasks/task-state.ts';

const MOVES = Object.entries(LEGAL_MOVES).flatMap(([from, after]) => after.map((to) => `${from} ${to}`));
const ENDED = TASK_STATUSES.filter(hasEnded);

/**
 * What must hold in PostgreSQL at any time: every audit trail is complete and legal and says of its task what that says, and
 * feeds have no holes.
 *
 * @param ownerId whose tasks and feed. Default: everybody's
 * @returns sentences about what does not hold; empty when all is well
 */
export const findContradictions = async (database: Database, ownerId?: string): Promise<string[]> => {
  const owned = ownerId === undefined ? Prisma.empty : Prisma.sql`WHERE owner_id = ${ownerId}::uuid`;
  const rows = await database.$queryRaw<{ problem: string }[]>`
    WITH t AS MATERIALIZED (SELECT * FROM tasks ${owned}), e AS MATERIALIZED (SELECT * FROM task_events ${owned}),
      f AS (SELECT * FROM owner_feeds ${owned}),
      moves AS MATERIALIZED (SELECT *, lag(status) OVER trail AS status_before, lag(position) OVER trail AS position_before FROM e
        WINDOW trail AS (PARTITION BY task_id ORDER BY seq))
    SELECT format('feed %s: %s events from %s to %s, but position %s', f.owner_id, count(e.position),
      min(e.position), max(e.position), f.position) AS problem
    FROM f LEFT JOIN e USING (owner_id) GROUP BY f.owner_id, f.position
    HAVING count(DISTINCT e.position) <> f.position OR count(e.position) <> f.position
      OR coalesce(max(e.position), 0) <> f.position
    UNION ALL
    SELECT format('task %s: %s events up to seq %s, but seq %s', t.id, count(e.seq), max(e.seq), t.seq)
    FROM t LEFT JOIN e ON e.task_id = t.id GROUP BY t.id, t.seq
    HAVING count(e.seq) <> t.seq OR max(e.seq) <> t.seq OR min(e.seq) <> 1
    UNION ALL
    SELECT format('task %s is %s, but its last event says %s', t.id, t.status, e.status)
    FROM t JOIN e ON e.task_id = t.id AND e.seq = t.seq
    WHERE e.status <> t.status OR (t.finished_at IS NOT NULL) <> (t.status::text = ANY(${ENDED}::text[]))
    UNION ALL
    SELECT format('task %s began as %s', task_id, status) FROM moves
    WHERE status_before IS NULL AND status::text <> ALL(${[...FIRST_STATUSES]}::text[])
    UNION ALL
    SELECT format('task %s moved from %s to %s', task_id, status_before, status) FROM moves
    WHERE status_before::text || ' ' || status::text <> ALL(${MOVES}::text[])
    UNION ALL
    SELECT format('task %s: position %s of seq %s after position %s', task_id, position, seq, position_before) FROM moves
    WHERE position <= position_before`;
  return rows.map(({ problem }) => problem);
};

/**
 * What must hold besides when everything that an owner has submitted has ended, whatever happened meanwhile: every task ended
 * once (so none was put back by hand), and those that were completed have a result, if only JSON's null.
 *
 * @returns sentences about what does not hold; empty when all is well
 */
export const checkBooks = async (database: Database, ownerId: string): Promise<string[]> => {
  const rows = await database.$queryRaw<{ problem: string }[]>`
    SELECT format('task %s ended %s times and is %s', t.id, count(e.seq), t.status) AS problem
    FROM tasks t LEFT JOIN task_events e ON e.task_id = t.id AND e.status::text = ANY(${ENDED}::text[])
    WHERE t.owner_id = ${ownerId}::uuid GROUP BY t.id, t.status HAVING count(e.seq) <> 1
    UNION ALL
    SELECT format('task %s has no result', id) FROM tasks
    WHERE owner_id = ${ownerId}::uuid AND status = 'COMPLETED' AND result IS NULL`;
  return [...(await findContradictions(database, ownerId)), ...rows.map(({ problem }) => problem)];
};
