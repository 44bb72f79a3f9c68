import { expect } from 'vitest';
import type { Database } from '../../../src/database/client.ts';
import { LIVE_STATUSES } from '../../../src/tasks/task-state.ts';
import { checkBooks } from '../../support/invariants.ts';
import { waitFor } from '../../support/setup.ts';
import type { Submitter, Subscriber } from './load.ts';

/**
 * Waits until all that was accepted has ended, then checks that nothing was lost or doubled, and that each subscriber has seen
 * every transition, in order, once.
 *
 * @param timeoutMs for the tasks, and for each subscriber
 * @returns the transitions, "<task> <seq> <status>"
 */
export const closeBooks = async (
  database: Database,
  ownerId: string,
  submitter: Submitter,
  subscribers: readonly Subscriber[],
  timeoutMs: number,
): Promise<string[]> => {
  const live = () => database.task.count({ where: { ownerId, status: { in: [...LIVE_STATUSES, 'WAITING'] } } });
  await waitFor(async () => (await live()) === 0, { timeoutMs, what: 'all tasks have ended' });
  expect(await checkBooks(database, ownerId)).toEqual([]);
  const tasks = await database.task.findMany({ where: { ownerId }, select: { id: true } });
  expect(new Set(tasks.map(({ id }) => id))).toEqual(submitter.accepted);
  const events = await database.taskEvent.findMany({ where: { ownerId }, orderBy: { position: 'asc' } });
  const recorded = events.map(({ taskId, seq, status }) => `${taskId} ${seq} ${status}`);
  for (const { seen } of subscribers) {
    await waitFor(() => seen.length >= recorded.length, { timeoutMs, what: 'a subscriber has seen everything' });
    expect(seen).toEqual(recorded);
  }
  return recorded;
};
