import type { Database } from '../../src/database/client.ts';

/** What must hold in PostgreSQL at any time, as sentences about what does not; empty when all is well. */
export const findContradictions = async (database: Database): Promise<string[]> => {
  const rows = await database.$queryRaw<{ problem: string }[]>`
    SELECT format('feed %s: %s events from %s to %s, but position %s', f.owner_id, count(e.position),
      min(e.position), max(e.position), f.position) AS problem
    FROM owner_feeds f LEFT JOIN task_events e USING (owner_id) GROUP BY f.owner_id
    HAVING count(DISTINCT e.position) <> f.position OR count(e.position) <> f.position
      OR coalesce(max(e.position), 0) <> f.position
    UNION ALL
    SELECT format('task %s: %s events up to seq %s, but seq %s', t.id, count(e.seq), max(e.seq), t.seq)
    FROM tasks t LEFT JOIN task_events e ON e.task_id = t.id GROUP BY t.id
    HAVING count(e.seq) <> t.seq OR max(e.seq) <> t.seq OR min(e.seq) <> 1
    UNION ALL
    SELECT format('task %s is %s, but its last event says %s', t.id, t.status, e.status)
    FROM tasks t JOIN task_events e ON e.task_id = t.id AND e.seq = t.seq
    WHERE e.status <> t.status OR (t.finished_at IS NOT NULL) <> (t.status IN ('COMPLETED', 'FAILED', 'CANCELLED'))
    UNION ALL
    SELECT format('task %s: position %s of seq %s after position %s of seq %s', a.task_id, a.position, a.seq, b.position, b.seq)
    FROM task_events a JOIN task_events b ON b.task_id = a.task_id AND b.seq = a.seq + 1 WHERE b.position <= a.position`;
  return rows.map(({ problem }) => problem);
};
