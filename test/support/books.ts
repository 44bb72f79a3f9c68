import { type Database, Prisma } from '../../src/database/client.ts';
import { FIRST_STATUSES, hasEnded, isLegalMove } from '../../src/tasks/task-state.ts';

/**
 * Checks what TaskFlow promises of everything that an owner has submitted, whatever happened meanwhile: every task ended
 * once, every audit trail is complete and legal and ends as the task does, and the owner's feed has no holes.
 *
 * @returns the faults, none when all is well; a sentence each
 */
export const checkBooks = async (database: Database, ownerId: string): Promise<string[]> => {
  const faults: string[] = [];
  const tasks = await database.task.findMany({ where: { ownerId } });
  const events = await database.taskEvent.findMany({
    where: { ownerId },
    orderBy: [{ taskId: 'asc' }, { seq: 'asc' }],
  });
  const trails = Map.groupBy(events, ({ taskId }) => taskId);
  for (const task of tasks) {
    const trail = trails.get(task.id) ?? [];
    const say = (fault: string): void => void faults.push(`${task.id}: ${fault}`);
    const statuses = trail.map(({ status }) => status);
    if (!hasEnded(task.status)) say(`is still ${task.status}`);
    if (trail.some(({ seq }, i) => seq !== i + 1)) say(`seqs are ${trail.map(({ seq }) => seq).join(', ')}`);
    if (statuses[0] === undefined || !FIRST_STATUSES.includes(statuses[0])) say(`began as ${statuses[0]}`);
    for (const [i, status] of statuses.slice(1).entries()) {
      const before = statuses[i];
      if (before && !isLegalMove(before, status)) say(`moved from ${before} to ${status}`);
    }
    const last = trail.at(-1);
    if (last?.status !== task.status || last.seq !== task.seq)
      say(`is ${task.status}, but its trail ends ${last?.status}`);
    if (statuses.filter(hasEnded).length !== 1) say(`ended ${statuses.filter(hasEnded).length} times`);
  }
  for (const { id } of await findWithoutResult(database, ownerId)) faults.push(`${id}: has no result`);
  const feed = await database.ownerFeed.findUniqueOrThrow({ where: { ownerId } });
  const positions = events.map(({ position }) => Number(position)).sort((a, b) => a - b);
  if (positions.some((position, i) => position !== i + 1)) faults.push('the feed has holes or doubles');
  if (positions.length !== Number(feed.position))
    faults.push(`the feed says ${feed.position}, but there are ${positions.length}`);
  return faults;
};

/** A result may be JSON null, which Prisma reads like none at all. */
const findWithoutResult = (database: Database, ownerId: string): Promise<{ id: string }[]> =>
  database.task.findMany({
    where: { ownerId, status: 'COMPLETED', result: { equals: Prisma.DbNull } },
    select: { id: true },
  });
