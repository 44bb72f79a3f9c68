import DataLoader from 'dataloader';
import type { Database } from '../database/client.ts';
import { TASK_STATUSES, type TaskStatus } from '../tasks/task-state.ts';
import {
  countFlowTasks,
  type Dependency,
  type Flow,
  type FlowTask,
  findDependencies,
  findDependents,
  findFlowsOfTasks,
  findFlowTasks,
} from './flow-store.ts';

/** Tasks that wait for one task, at most, that are shown of it. */
export const MAX_DEPENDENTS = 100;
/** Ids in one query of a loader. */
const MAX_BATCH = 500;
/** Nothing is remembered: what was true for one answer may not be for the next. */
const UNCACHED = { cache: false, maxBatchSize: MAX_BATCH } as const;

export type FlowCounts = Record<TaskStatus, number>;

/** Reads what is asked for one by one of tasks and flows, many in one query. Whose it is, the caller must know. */
export interface FlowLoaders {
  /** What a task waits for, or waited for, in the order in which it named them. */
  dependencies: DataLoader<string, Dependency[]>;
  /** Ids of the first hundred tasks that wait for a task, or waited. */
  dependents: DataLoader<string, string[]>;
  /** The flow of a task; null where it has none. */
  flowOfTask: DataLoader<string, Flow | null>;
  /** The tasks of a flow, in order. */
  tasksOfFlow: DataLoader<string, FlowTask[]>;
  /** How many tasks of a flow stand where. */
  countsOfFlow: DataLoader<string, FlowCounts>;
}

export const createFlowLoaders = (database: Database): FlowLoaders => ({
  dependencies: new DataLoader(async (ids) => {
    const byChild = Map.groupBy(await findDependencies(database, ids), ({ childId }) => childId);
    return ids.map((id) => byChild.get(id) ?? []);
  }, UNCACHED),
  dependents: new DataLoader(async (ids) => {
    const byParent = Map.groupBy(await findDependents(database, ids, MAX_DEPENDENTS), ({ parentId }) => parentId);
    return ids.map((id) => byParent.get(id)?.map(({ childId }) => childId) ?? []);
  }, UNCACHED),
  flowOfTask: new DataLoader(async (ids) => {
    const byTask = new Map((await findFlowsOfTasks(database, ids)).map((flow) => [flow.taskId, flow]));
    return ids.map((id) => byTask.get(id) ?? null);
  }, UNCACHED),
  tasksOfFlow: new DataLoader(async (ids) => {
    const byFlow = Map.groupBy(await findFlowTasks(database, ids), ({ flowId }) => flowId);
    return ids.map((id) => byFlow.get(id) ?? []);
  }, UNCACHED),
  countsOfFlow: new DataLoader(async (ids) => {
    const byFlow = Map.groupBy(await countFlowTasks(database, ids), ({ flowId }) => flowId);
    return ids.map((id) => toCounts(byFlow.get(id) ?? []));
  }, UNCACHED),
});

const toCounts = (rows: readonly { status: TaskStatus; count: number }[]): FlowCounts => {
  const counts = Object.fromEntries(TASK_STATUSES.map((status) => [status, 0])) as FlowCounts;
  for (const { status, count } of rows) counts[status] = count;
  return counts;
};
