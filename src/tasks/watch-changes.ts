import { isWatched, type WatchedTasks } from '../accounts/principal.ts';
import type { Database } from '../database/client.ts';
import { badInput } from '../errors.ts';
import type { Change } from '../realtime/change.ts';
import { closing } from './closing.ts';
import type { TaskSummary } from './find-tasks.ts';
import type { TaskSnapshots } from './task-snapshots.ts';
import type { TaskStatus } from './task-state.ts';
import { readChanges, readPositions } from './task-store.ts';
import { asksForMore, checkWhere, matchesMore, matchesPlain, type TaskWhere } from './task-where.ts';
import type { WatchServices } from './watch-tasks.ts';

/** A change says nothing of the payload, and to read one for each would undo what the feeds are for. */
const NO_PAYLOADS = 'Changes cannot be filtered by payload; give such tasks a tag, and filter by that.';

export interface ChangeServices extends WatchServices {
  snapshots: TaskSnapshots;
}

export interface ChangeRequest {
  /** Which transitions; its status is the transition's, not what the task has become since. */
  where: TaskWhere;
  /** The cursor of the last one seen. Default: from now on. */
  after?: string | null | undefined;
  /** Does the subscriber look at the task, and not only at the transition? */
  withTask: boolean;
  /** The only tasks of this owner that may be seen. Default: all. */
  watched?: WatchedTasks | undefined;
}

export interface WatchedChange {
  change: Change;
  /** As of this change; where it was asked for. */
  task: TaskSummary | undefined;
}

/** Other nodes may be ahead of this one, but none is ahead of PostgreSQL. */
const AHEAD =
  'after is ahead of all changes: it is no cursor of this owner, or changes were lost. Read anew what you show.';

/** Changes that are looked at together, so that what must be read for them is read together. */
const PAGE = 500;
const CURSOR = /^\d{1,15}$/;

/** The cursor of a change: its place in the owner's feed. */
export const cursorOfChange = ({ position }: Change): string => String(position);

/** The cursor of an owner's last change so far; that before the first where there is none. What is read later has all up to it. */
export const readChangesCursor = async (database: Database, ownerId: string): Promise<string> =>
  String((await readPositions(database, [ownerId])).get(ownerId) ?? 0);

/** @throws TaskFlowError BAD_USER_INPUT when it is no cursor of a change */
const positionOf = (cursor: string): number => {
  if (!CURSOR.test(cursor)) throw badInput('after', 'after must be the cursor of a change.');
  return Number(cursor);
};

/**
 * Every transition of an owner's tasks that matches, in order, each once: those after a cursor, then those to come.
 *
 * @throws TaskFlowError BAD_USER_INPUT for a malformed filter, or a cursor that was never given out; SLOW_CONSUMER from the iterator
 */
export const watchChanges = async (
  services: ChangeServices,
  ownerId: string,
  request: ChangeRequest,
): Promise<AsyncIterableIterator<WatchedChange>> => {
  const where = checkWhere(request.where);
  if (where.payload) throw badInput('where.payload', NO_PAYLOADS);
  const after = request.after === null || request.after === undefined ? undefined : positionOf(request.after);
  const { position, changes } = await services.router.subscribe(ownerId);
  try {
    if (after !== undefined && after > position) await refuseAhead(services.database, ownerId, after);
  } catch (error) {
    await changes.return();
    throw error;
  }
  const batches = async function* () {
    yield* pastChanges(services, ownerId, after ?? position, position);
    for await (const change of changes)
      yield [change, ...changes.drain(PAGE)].filter((each) => each.position > (after ?? 0));
  };
  return closing(changes, matching(services.snapshots, { ...request, where }, batches()));
};

/** @throws TaskFlowError BAD_USER_INPUT for a position that PostgreSQL does not have yet; what Prisma throws */
const refuseAhead = async (database: Database, ownerId: string, after: number): Promise<void> => {
  if (after > Number(await readChangesCursor(database, ownerId))) throw badInput('after', AHEAD);
};

/** The changes after one position up to another, from PostgreSQL. Positions that retention has dropped are skipped. */
async function* pastChanges(
  { database }: ChangeServices,
  ownerId: string,
  from: number,
  to: number,
): AsyncGenerator<Change[]> {
  let last = from;
  while (last < to) {
    const page = await readChanges(database, ownerId, last, PAGE);
    yield page.filter(({ position }) => position <= to);
    if (page.length < PAGE) return;
    last = page.at(-1)?.position ?? to;
  }
}

async function* matching(
  snapshots: TaskSnapshots,
  { where, withTask, watched }: ChangeRequest,
  batches: AsyncIterable<Change[]>,
): AsyncGenerator<WatchedChange> {
  const asksMore = asksForMore(where) || watched !== undefined;
  const needsTask = withTask || asksMore;
  for await (const batch of batches) {
    // All are followed, also those that do not match: the next change of the same task then costs no read.
    if (needsTask) for (const change of batch) snapshots.follow(change);
    const candidates = batch.filter((change) => matchesPlain(where, toPlain(change)));
    if (needsTask) await snapshots.load(candidates);
    for (const change of candidates) {
      const task = snapshots.get(change);
      // Without its task, a change has nothing to show: the task is no longer kept.
      if (needsTask && !task) continue;
      if (asksMore && task && !matchesMore(where, task)) continue;
      if (watched && !(task && isWatched(watched, task))) continue;
      yield { change, task };
    }
  }
}

const toPlain = ({ taskId, status, queue, type }: Change) => ({
  id: taskId,
  status: status as TaskStatus,
  queue,
  type,
});
