import type { StreamedTransition } from '../../src/broker/event-stream.ts';
import { floatArray, intArray, plainArray, textArray, uuidArray } from '../../src/database/arrays.ts';
import { type Database, type DatabaseSession, Prisma, queryDirectly } from '../../src/database/client.ts';
import { createdAtMs } from '../../src/ids.ts';
import type { Change } from '../../src/realtime/change.ts';
import { hasEnded, isLegalMove, type TaskStatus } from '../../src/tasks/task-state.ts';
import { placesByOwner } from '../../src/tasks/task-store.ts';

/** Which leader records: a shard's row in PostgreSQL carries the newest term, and an older leader's writes fail. */
export interface Term {
  shardId: string;
  term: bigint;
}

/** Where a task stands after a batch, with what the batch says of it. */
interface FinalState {
  id: string;
  /** Number of the last transition before the batch. */
  previousSeq: number;
  last: StreamedTransition;
  startedAtMs: number | undefined;
  runAtMs: number | undefined;
  /** JSON text of the last error. */
  error: string | undefined;
  /** When it was told to stop. */
  cancelRequestedAtMs: number | undefined;
  /** JSON text: why. */
  cancelReason: string | undefined;
}

/** Several transitions of one task become one UPDATE. */
const finalStates = (transitions: readonly StreamedTransition[]): FinalState[] => {
  const states = new Map<string, FinalState>();
  for (const transition of transitions) {
    let state = states.get(transition.taskId);
    if (state) {
      state.last = transition;
    } else {
      state = {
        id: transition.taskId,
        previousSeq: transition.seq - 1,
        last: transition,
        startedAtMs: undefined,
        runAtMs: undefined,
        error: undefined,
        cancelRequestedAtMs: undefined,
        cancelReason: undefined,
      };
      states.set(transition.taskId, state);
    }
    note(state, transition);
  }
  return [...states.values()];
};

const note = (state: FinalState, { status, atMs, runAtMs, data }: StreamedTransition): void => {
  // A running task that is told to stop makes a transition to PROCESSING again, with the reason.
  const isToldToStop = status === 'PROCESSING' && data !== '';
  if (isToldToStop) state.cancelRequestedAtMs = atMs;
  else if (status === 'PROCESSING') state.startedAtMs = atMs;
  if (isToldToStop || status === 'CANCELLED') state.cancelReason = data || undefined;
  if (runAtMs !== undefined) state.runAtMs = runAtMs;
  if (status === 'FAILED' || status === 'SCHEDULED') state.error = data || state.error;
};

interface MinuteCount {
  queue: string;
  /** When it began, in ms. */
  startedAtMs: number;
  completed: number;
  failed: number;
  cancelled: number;
  totalMs: number;
}

const MINUTE_MS = 60_000;

/** What ended, per queue and minute; sorted, so that two recorders that count the same minutes cannot lock each other out. */
const countEnded = (transitions: readonly StreamedTransition[]): MinuteCount[] => {
  const minutes = new Map<string, MinuteCount>();
  for (const { status, queue, atMs, taskId } of transitions) {
    if (!hasEnded(status as TaskStatus)) continue;
    const startedAtMs = Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
    const key = `${queue}|${startedAtMs}`;
    let count = minutes.get(key);
    if (!count) {
      count = { queue, startedAtMs, completed: 0, failed: 0, cancelled: 0, totalMs: 0 };
      minutes.set(key, count);
    }
    if (status === 'COMPLETED') {
      count.completed++;
      count.totalMs += Math.max(0, atMs - createdAtMs(taskId));
    } else if (status === 'FAILED') count.failed++;
    else count.cancelled++;
  }
  return [...minutes.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, count]) => count);
};

/** Details of events: a COMPLETED one has none, its result is the task's. */
const detailOf = ({ status, data }: StreamedTransition): string | null =>
  status === 'COMPLETED' || data === '' ? null : data;

const isHeld = (status: string): boolean => status !== 'QUEUED' && status !== 'SCHEDULED';

/** Columns that are null in nearly all rows of most batches are only sent when they are not. */
const rareState = (states: readonly FinalState[]) => {
  const isRare = states.some(
    ({ runAtMs, error, cancelReason }) => runAtMs !== undefined || error !== undefined || cancelReason !== undefined,
  );
  if (!isRare) {
    const sets = Prisma.sql`, error = CASE WHEN n.status = 'COMPLETED' THEN NULL ELSE t.error END`;
    return { arrays: Prisma.empty, names: Prisma.empty, sets };
  }
  return {
    arrays: Prisma.sql`, ${plainArray(states, ({ runAtMs }) => runAtMs ?? null)}::float8[], ${textArray(states, ({ error }) => error ?? null)}::text[],
      ${plainArray(states, ({ cancelRequestedAtMs }) => cancelRequestedAtMs ?? null)}::float8[], ${textArray(states, ({ cancelReason }) => cancelReason ?? null)}::text[]`,
    names: Prisma.sql`, run_at, error, cancel_requested_at, cancel_reason`,
    sets: Prisma.sql`, run_at = coalesce(to_timestamp(n.run_at / 1000), t.run_at),
      error = CASE WHEN n.status = 'COMPLETED' THEN NULL ELSE coalesce(n.error::json, t.error) END,
      cancel_requested_at = coalesce(to_timestamp(n.cancel_requested_at / 1000), t.cancel_requested_at),
      cancel_reason = coalesce(n.cancel_reason::json, t.cancel_reason)`,
  };
};

/** FAILED tasks stand in a table of their own, so that they can be listed without an index on the status. */
const bury = (states: readonly FinalState[]) => {
  const failed = states.filter(({ last }) => last.status === 'FAILED');
  if (failed.length === 0) return Prisma.empty;
  return Prisma.sql`, buried AS (
      INSERT INTO dead_letters (task_id, owner_id)
      SELECT * FROM unnest(${plainArray(failed, ({ id }) => id)}::uuid[], ${plainArray(failed, ({ last }) => last.ownerId)}::uuid[])
      ON CONFLICT DO NOTHING
    )`;
};

const countMinutes = (transitions: readonly StreamedTransition[]) => {
  const minutes = countEnded(transitions);
  if (minutes.length === 0) return Prisma.empty;
  return Prisma.sql`, counted AS (
      INSERT INTO queue_minutes AS q (queue, minute, completed, failed, cancelled, total_ms)
      SELECT * FROM unnest(${textArray(minutes, (row) => row.queue)}::text[], ${plainArray(minutes, ({ startedAtMs }) => new Date(startedAtMs).toISOString())}::timestamptz[],
        ${plainArray(minutes, (row) => row.completed)}::int[], ${plainArray(minutes, (row) => row.failed)}::int[],
        ${plainArray(minutes, (row) => row.cancelled)}::int[], ${plainArray(minutes, (row) => row.totalMs)}::bigint[])
      WHERE (SELECT count(*) FROM feeds) >= 0
      ON CONFLICT (queue, minute) DO UPDATE SET completed = q.completed + excluded.completed, failed = q.failed + excluded.failed,
        cancelled = q.cancelled + excluded.cancelled, total_ms = q.total_ms + excluded.total_ms
    )`;
};

/** Tasks that others wait for, and that have ended now: what is noted here, dependency-runner.ts deals with. */
const noteEndedParents = (transitions: readonly StreamedTransition[]) =>
  transitions.some(({ status }) => hasEnded(status as TaskStatus))
    ? {
        insert: Prisma.sql`, ended AS (
      INSERT INTO ended_parents (task_id, seq, status) SELECT id, seq, status FROM updated WHERE is_ended_parent RETURNING 1
    )`,
        found: Prisma.sql`EXISTS (SELECT FROM ended)`,
      }
    : { insert: Prisma.empty, found: Prisma.sql`false` };

/**
 * The statement that writes transitions which continue what PostgreSQL has, exactly: each task's last `seq` must be the one
 * before its first transition here, and the task must not have ended. It updates the tasks, inserts the events and counts
 * what ended, or does nothing. It can be made while the one before it is under way.
 *
 * The owner's feed is locked after the tasks were written, and the minutes after the feed: always in this order.
 *
 * Times are sent as ms: to read ISO texts took PostgreSQL a sixteenth of the whole statement.
 *
 * The ids are looked up in the primary key as one sorted array, and then hashed with the rest: the one plan that is good at any
 * size of table and batch, and is kept (docs/decisions/recorder-plan.md). So there are, beside the join: the array again, since
 * a range alone would read all that lies between; the range, which leaves out the other days' partitions; and the series, for a planner
 * that expects ten rows of an array and a thousand of a series. The range stands in subqueries: partitions are left out as the statement
 * runs, and no rows may be locked before that but by `taskflow_leads` (docs/decisions/row-locks-apart.md).
 */
export const recordingOf = ({ shardId, term }: Term, transitions: readonly StreamedTransition[]): Prisma.Sql => {
  const states = finalStates(transitions);
  const ids = states.map(({ id }) => id);
  const { places, counts } = placesByOwner(transitions);
  const rare = rareState(states);
  const parents = noteEndedParents(transitions);
  const sorted = ids.toSorted();
  const idArray = uuidArray(ids, (id) => id);
  return Prisma.sql`
    WITH updated AS (
      UPDATE tasks t SET status = n.status, seq = n.seq, attempt = n.attempt, worker_id = n.worker_id,
        started_at = coalesce(to_timestamp(n.started_at / 1000), t.started_at), finished_at = to_timestamp(n.finished_at / 1000), result = n.result::json ${rare.sets}
      FROM ROWS FROM (generate_series(1, ${ids.length}::int), unnest(${idArray}::uuid[], ${intArray(states, ({ previousSeq }) => previousSeq)}::int[],
        ${plainArray(states, (state) => state.last.status)}::task_status[], ${intArray(states, (state) => state.last.seq)}::int[],
        ${intArray(states, (state) => state.last.attempt)}::int[],
        ${textArray(states, ({ last: { status, workerId } }) => (isHeld(status) ? workerId || null : null))}::text[],
        ${floatArray(states, ({ startedAtMs }) => startedAtMs ?? null)}::float8[],
        ${floatArray(states, ({ last: { status, atMs } }) => (hasEnded(status as TaskStatus) ? atMs : null))}::float8[],
        ${textArray(states, ({ last: { status, data } }) => (status === 'COMPLETED' ? data || null : null))}::text[] ${rare.arrays}))
        AS n(ordinal, id, previous_seq, status, seq, attempt, worker_id, started_at, finished_at, result ${rare.names})
      WHERE t.id = n.id AND t.id = ANY(${idArray}::uuid[]) AND t.id >= (SELECT ${sorted[0]}::uuid) AND t.id <= (SELECT ${sorted.at(-1)}::uuid)
        AND t.seq = n.previous_seq AND t.finished_at IS NULL
        AND (SELECT taskflow_leads(${shardId}, ${term}))
      RETURNING t.id, t.seq, t.status, t.has_dependents AND t.finished_at IS NOT NULL AS is_ended_parent
    ), locked AS (
      SELECT f.owner_id, c.n FROM owner_feeds f
      JOIN unnest(${plainArray(counts, ([ownerId]) => ownerId)}::uuid[], ${plainArray(counts, ([, n]) => n)}::int[]) AS c(owner_id, n) USING (owner_id)
      WHERE (SELECT count(*) FROM updated) = ${ids.length}
      ORDER BY f.owner_id FOR UPDATE OF f
    ), feeds AS (
      UPDATE owner_feeds f SET position = f.position + l.n FROM locked l WHERE f.owner_id = l.owner_id
      RETURNING f.owner_id, f.position - l.n AS base
    ), events AS (
      INSERT INTO task_events (task_id, seq, owner_id, position, status, at, attempt, worker_id, detail)
      SELECT e.task_id, e.seq, e.owner_id, f.base + e.place, e.status, to_timestamp(e.at / 1000), e.attempt, e.worker_id, e.detail::json
      FROM unnest(${uuidArray(transitions, ({ taskId }) => taskId)}::uuid[], ${intArray(transitions, ({ seq }) => seq)}::int[],
        ${uuidArray(transitions, ({ ownerId }) => ownerId)}::uuid[], ${intArray(places, (place) => place)}::int[],
        ${plainArray(transitions, ({ status }) => status)}::task_status[], ${floatArray(transitions, ({ atMs }) => atMs)}::float8[],
        ${intArray(transitions, ({ attempt }) => attempt)}::int[], ${textArray(transitions, ({ workerId }) => workerId || null)}::text[],
        ${textArray(transitions, detailOf)}::text[])
        AS e(task_id, seq, owner_id, place, status, at, attempt, worker_id, detail)
      JOIN feeds f USING (owner_id)
    ) ${countMinutes(transitions)} ${bury(states)} ${parents.insert}
    SELECT feeds.owner_id, feeds.base, ${parents.found} AS has_ended_parents, checked.everything_continues
    FROM (SELECT 1 / (SELECT (count(*) = ${counts.size})::int FROM feeds) AS everything_continues) AS checked
    LEFT JOIN feeds ON true`;
};

/**
 * @returns each owner's position before the batch, and whether something has ended that others wait for
 * @throws division_by_zero (22012) where something does not continue, the term is over, or an owner is gone
 */
const writeTransitions = async (session: DatabaseSession, statement: Prisma.Sql): Promise<Written> => {
  const rows = await queryDirectly<{ owner_id: string; base: bigint | string; has_ended_parents: boolean }>(
    session,
    statement,
  );
  return {
    bases: new Map(rows.map((row) => [row.owner_id, Number(row.base)])),
    hasEndedParents: rows[0]?.has_ended_parents ?? false,
  };
};

interface Written {
  bases: Map<string, number>;
  hasEndedParents: boolean;
}

export interface Recorded {
  /** What was written now, in order, with positions in the owners' feeds. */
  changes: Change[];
  /** What PostgreSQL already had: written by an earlier leader, who may have died before publishing it. */
  repeated: StreamedTransition[];
  /** What contradicts PostgreSQL and was dropped: Redis had lost its last second and told a story that did not happen. */
  refused: StreamedTransition[];
  /** Has something ended that others wait for? */
  hasEndedParents: boolean;
}

/** The term is over: another manager leads this shard. */
export class TermOverError extends Error {
  override name = 'TermOverError';
}

/**
 * Records a batch when all of it continues what PostgreSQL has. Nearly always it does.
 *
 * @param statement of these transitions, where it was made before
 * @throws what PostgreSQL answers; `recordWhatContinues` then sorts it out
 */
export const recordAll = async (
  database: Database,
  term: Term,
  transitions: readonly StreamedTransition[],
  statement = recordingOf(term, transitions),
): Promise<Recorded> => {
  const { bases, hasEndedParents } = await writeTransitions(database, statement);
  return { changes: toChanges(transitions, bases), repeated: [], refused: [], hasEndedParents };
};

/**
 * Records those transitions of a batch that continue what PostgreSQL has.
 *
 * @throws TermOverError; what PostgreSQL answers when it cannot be reached
 */
export const recordWhatContinues = async (
  database: Database,
  term: Term,
  transitions: readonly StreamedTransition[],
): Promise<Recorded> =>
  database.$transaction(async (transaction) => {
    const [fence] = await transaction.$queryRaw<[{ leads: boolean }]>`
      SELECT taskflow_leads(${term.shardId}, ${term.term}) AS leads`;
    if (!fence.leads) throw new TermOverError(`another manager leads shard ${term.shardId}`);
    const valid = transitions.map(withValidData);
    const ids = [...new Set(valid.map(({ taskId }) => taskId))].sort();
    const tasks = await transaction.$queryRaw<{ id: string; seq: number; status: TaskStatus }[]>`
      SELECT t.id, t.seq, t.status::text FROM tasks t JOIN owner_feeds USING (owner_id)
      WHERE t.id = ANY(${ids}::uuid[]) ORDER BY t.id FOR UPDATE OF t`;
    const { fitting, repeated, refused } = sortOut(tasks, valid);
    if (fitting.length === 0) return { changes: [], repeated, refused, hasEndedParents: false };
    const { bases, hasEndedParents } = await writeTransitions(transaction, recordingOf(term, fitting));
    return { changes: toChanges(fitting, bases), repeated, refused, hasEndedParents };
  });

/** Which transitions continue the tasks, which does PostgreSQL have already, and which contradict it? */
export const sortOut = (
  tasks: readonly { id: string; seq: number; status: TaskStatus }[],
  transitions: readonly StreamedTransition[],
) => {
  const current = new Map(tasks.map(({ id, seq, status }) => [id, { seq, status }]));
  const fitting: StreamedTransition[] = [];
  const repeated: StreamedTransition[] = [];
  const refused: StreamedTransition[] = [];
  for (const transition of transitions) {
    const task = current.get(transition.taskId);
    const status = transition.status as TaskStatus;
    if (task && transition.seq <= task.seq) {
      repeated.push(transition);
    } else if (task && transition.seq === task.seq + 1 && isLegalMove(task.status, status) && !hasEnded(task.status)) {
      fitting.push(transition);
      current.set(transition.taskId, { seq: transition.seq, status });
    } else {
      refused.push(transition);
    }
  }
  return { fitting, repeated, refused };
};

/** A worker in another language may send what is no JSON: then it is kept, and published, as a JSON string. */
const withValidData = (transition: StreamedTransition): StreamedTransition =>
  transition.data === '' || isStorableJson(transition.data)
    ? transition
    : { ...transition, data: JSON.stringify(transition.data) };

/** PostgreSQL's stack ends somewhere between 20,000 and 50,000 levels. */
const MAX_DEPTH = 10_000;

const isStorableJson = (text: string): boolean => {
  try {
    JSON.parse(text);
  } catch {
    return false;
  }
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{]|[\]}]/g)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth);
    else if (token === ']' || token === '}') depth--;
  }
  return deepest <= MAX_DEPTH;
};

const toChanges = (transitions: readonly StreamedTransition[], bases: Map<string, number>): Change[] => {
  const { places } = placesByOwner(transitions);
  return transitions.map((transition, i) => ({
    ...transition,
    position: (bases.get(transition.ownerId) ?? 0) + (places[i] ?? 0),
  }));
};

/** Finds the feed positions of transitions that PostgreSQL has, so that they can be published (again). */
export const findPositions = async (
  database: Database,
  transitions: readonly StreamedTransition[],
): Promise<Change[]> => {
  const rows = await database.$queryRaw<{ task_id: string; seq: number; position: bigint; status: string }[]>`
    SELECT task_id, seq, position, status::text FROM task_events
    WHERE task_id = ANY(${[...new Set(transitions.map(({ taskId }) => taskId))]}::uuid[])`;
  const positions = new Map(rows.map((row) => [`${row.task_id}.${row.seq}.${row.status}`, Number(row.position)]));
  return transitions.flatMap((transition) => {
    const position = positions.get(`${transition.taskId}.${transition.seq}.${transition.status}`);
    return position === undefined ? [] : [{ ...transition, position }];
  });
};
