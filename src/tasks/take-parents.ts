import type { DatabaseSession } from '../database/client.ts';
import { badInput } from '../errors.ts';
import {
  insertDependencies,
  lockParents,
  markParents,
  type NewDependency,
  type ParentState,
} from './dependency-store.ts';
import { MAX_PARENTS, type NewTask } from './new-task.ts';
import { hasEnded } from './task-state.ts';

/** Dependencies that are written in one transaction. */
const MAX_DEPENDENCIES = 20_000;

/** @param field which of the request has them, for the error @throws TaskFlowError BAD_USER_INPUT */
export const checkDependencyCount = (tasks: readonly NewTask[], field: string): void => {
  const count = tasks.reduce((sum, { waitsFor }) => sum + (waitsFor?.length ?? 0), 0);
  if (count <= MAX_DEPENDENCIES) return;
  throw badInput(
    field,
    `The tasks wait for ${count} others in all; at most ${MAX_DEPENDENCIES} are allowed at once, and ${MAX_PARENTS} for each.`,
    MAX_DEPENDENCIES,
  );
};

/**
 * Writes what new tasks wait for, in the transaction that writes the tasks, and before them.
 *
 * @param pathOf where a task stands in the request, for errors
 * @returns whether some of the parents have ended already: then the managers are to be told, after the commit
 * @throws TaskFlowError BAD_USER_INPUT, which names the field, for a task that is not there or is another owner's;
 *   lock_not_available (55P03), see `lockParents`
 */
export const takeParents = async (
  session: DatabaseSession,
  ownerId: string,
  tasks: readonly NewTask[],
  pathOf: (task: NewTask) => string,
): Promise<boolean> => {
  const ids = new Set(tasks.flatMap(({ waitsFor }) => waitsFor?.map(({ taskId }) => taskId) ?? []));
  if (ids.size === 0) return false;
  const states = new Map((await lockParents(session, ownerId, [...ids])).map((state) => [state.id, state]));
  for (const task of tasks) refuseUnknown(task, states, pathOf);
  const ended = [...states.values()].filter(({ status }) => hasEnded(status));
  const live = [...states.values()].filter(({ status }) => !hasEnded(status));
  if (live.length > 0) {
    await markParents(
      session,
      live.map(({ id }) => id),
    );
  }
  await insertDependencies(
    session,
    tasks.flatMap((task) => toDependencies(task, states)),
    ended,
  );
  return ended.length > 0;
};

const refuseUnknown = (
  task: NewTask,
  states: ReadonlyMap<string, ParentState>,
  pathOf: (task: NewTask) => string,
): void => {
  task.waitsFor?.forEach(({ taskId }, i) => {
    if (states.has(taskId)) return;
    const field = `${pathOf(task)}.dependsOn.${i}`;
    throw badInput(field, `${field}: there is no task ${taskId}.`);
  });
};

/** @param states of the parents. Those without one are written in the same transaction */
export const toDependencies = (
  { id, waitsFor, onParentFailure }: NewTask,
  states: ReadonlyMap<string, ParentState>,
): NewDependency[] =>
  (waitsFor ?? []).map(({ taskId, name }, place) => ({
    childId: id,
    parentId: taskId,
    place,
    name,
    onFailure: onParentFailure ?? 'CANCEL',
    parentSeq: states.get(taskId)?.seq ?? 1,
  }));
