import { badInput } from '../errors.ts';
import { MAX_PARENTS, type SubmitInput } from '../tasks/new-task.ts';

/** A task of a flow, with defaults filled in. */
export interface FlowTaskInput extends Omit<SubmitInput, 'dependsOn' | 'idempotencyKey'> {
  /** 1 to 64 characters out of a-z, A-Z, 0-9 and "._:-"; of one task of the flow. */
  name: string;
  /** Names of the tasks of the flow that it waits for. Default: it waits for none. */
  dependsOn?: readonly string[] | null | undefined;
}

export interface FlowInput {
  name: string;
  tasks: readonly FlowTaskInput[];
}

export const MAX_FLOW_TASKS = 1_000;
const MAX_NAME_LENGTH = 100;
const TASK_NAME = /^[A-Za-z0-9._:-]{1,64}$/;

/**
 * Checks the form of a flow: its names, and that its tasks do not wait for each other in a circle.
 *
 * @returns the places of its tasks in an order in which each comes after those that it waits for
 * @throws TaskFlowError BAD_USER_INPUT, which names the field, and for a circle the way around it: "a → b → a"
 */
export const checkFlow = ({ name, tasks }: FlowInput): number[] => {
  if (name.length === 0 || name.length > MAX_NAME_LENGTH || name.includes('\0') || !name.isWellFormed()) {
    const message = `input.name must have 1 to ${MAX_NAME_LENGTH} characters, without NUL or half of a surrogate pair.`;
    throw badInput('input.name', message, MAX_NAME_LENGTH);
  }
  if (tasks.length === 0) throw badInput('input.tasks', 'A flow needs at least one task.');
  if (tasks.length > MAX_FLOW_TASKS) {
    const message = `A flow has at most ${MAX_FLOW_TASKS} tasks, not ${tasks.length}.`;
    throw badInput('input.tasks', message, MAX_FLOW_TASKS);
  }
  const places = checkNames(tasks);
  tasks.forEach((task, place) => void checkParents(task, place, places));
  return orderByParents(tasks, places);
};

/** @returns the place of each name */
const checkNames = (tasks: readonly FlowTaskInput[]): Map<string, number> => {
  const places = new Map<string, number>();
  tasks.forEach(({ name }, place) => {
    const field = `input.tasks.${place}.name`;
    if (!TASK_NAME.test(name)) throw badInput(field, `${field} must match ${TASK_NAME.source}.`);
    const other = places.get(name);
    if (other !== undefined) throw badInput(field, `${field}: "${name}" is the name of input.tasks.${other} already.`);
    places.set(name, place);
  });
  return places;
};

const checkParents = ({ dependsOn }: FlowTaskInput, place: number, places: ReadonlyMap<string, number>): void => {
  const field = `input.tasks.${place}.dependsOn`;
  const names = dependsOn ?? [];
  if (names.length > MAX_PARENTS)
    throw badInput(field, `${field}: a task can wait for at most ${MAX_PARENTS} others.`, MAX_PARENTS);
  names.forEach((name, i) => {
    if (!places.has(name)) throw badInput(`${field}.${i}`, `${field}.${i}: the flow has no task of this name.`);
    if (names.indexOf(name) !== i) throw badInput(`${field}.${i}`, `${field}.${i}: "${name}" is named twice.`);
  });
};

/** Goes along what tasks wait for, depth first; whoever meets a task that it is on the way from has found a circle. */
const orderByParents = (tasks: readonly FlowTaskInput[], places: ReadonlyMap<string, number>): number[] => {
  const done = new Set<string>();
  const way: string[] = [];
  const isOnWay = new Set<string>();
  const visit = (name: string): void => {
    if (done.has(name)) return;
    if (isOnWay.has(name)) throw circle([...way.slice(way.indexOf(name)), name], places);
    isOnWay.add(name);
    way.push(name);
    for (const parent of tasks[places.get(name) ?? 0]?.dependsOn ?? []) visit(parent);
    way.pop();
    isOnWay.delete(name);
    done.add(name);
  };
  for (const { name } of tasks) visit(name);
  return [...done].map((name) => places.get(name) ?? 0);
};

const circle = (names: readonly string[], places: ReadonlyMap<string, number>) => {
  const field = `input.tasks.${places.get(names[0] ?? '')}.dependsOn`;
  return badInput(field, `${field}: the tasks wait for each other in a circle: ${names.join(' → ')}.`);
};
