import { newId } from '../ids.ts';
import { insertDependencies } from '../tasks/dependency-store.ts';
import { type NewTask, refuseDraining, toNewTask } from '../tasks/new-task.ts';
import type { SubmitServices } from '../tasks/submit-tasks.ts';
import { checkDependencyCount, toDependencies } from '../tasks/take-parents.ts';
import { traceSubmission } from '../tracing/tracing.ts';
import { checkFlow, type FlowInput, type FlowTaskInput } from './check-flow.ts';
import { type Flow, insertFlow } from './flow-store.ts';

/**
 * Submits the tasks of a flow, all or none. Those that wait for no other are QUEUED at once.
 *
 * @throws TaskFlowError BAD_USER_INPUT, which names the field, PAYLOAD_TOO_LARGE, or CONFLICT for a queue that is draining
 */
export const createFlow = (services: SubmitServices, ownerId: string, input: FlowInput): Promise<Flow> =>
  traceSubmission(input.tasks, () => create(services, ownerId, input));

const create = async (
  { database, taskWriter, taskRules }: SubmitServices,
  ownerId: string,
  input: FlowInput,
): Promise<Flow> => {
  const order = checkFlow(input);
  await taskRules.prepare(new Set(input.tasks.map(({ type }) => type)));
  const flow = { id: newId(), ownerId, name: input.name };
  const tasks = connect(
    input.tasks,
    withIdsInOrder(
      input.tasks.map(({ name: _name, ...task }, place) =>
        toNewTask(ownerId, { ...task, dependsOn: null }, `input.tasks.${place}`, taskRules),
      ),
      order,
    ),
  );
  checkDependencyCount(tasks, 'input.tasks');
  refuseDraining(tasks, (place) => `input.tasks.${place}.queue`, taskRules);
  const epochs = taskWriter.knownEpochs();
  const { at, afterCommit } = await database.$transaction(async (transaction) => {
    await insertFlow(
      transaction,
      flow,
      tasks.map(({ id }, place) => ({ taskId: id, name: input.tasks[place]?.name ?? '' })),
    );
    const dependencies = tasks.flatMap((task) => toDependencies(task, new Map()));
    if (dependencies.length > 0) await insertDependencies(transaction, dependencies, []);
    return taskWriter.writeWithin(transaction, tasks, epochs);
  });
  afterCommit();
  return { ...flow, createdAt: at };
};

/** Gives parents earlier ids than those that wait for them: what goes along the ids, some at a time, then comes to them first. */
const withIdsInOrder = (tasks: readonly NewTask[], order: readonly number[]): NewTask[] => {
  const ids = tasks.map(({ id }) => id).sort();
  const idOf = new Map(order.map((place, i) => [place, ids[i] as string]));
  return tasks.map((task, place) => ({ ...task, id: idOf.get(place) ?? task.id }));
};

/** Gives each task the ids of those that it waits for. */
const connect = (inputs: readonly FlowTaskInput[], tasks: readonly NewTask[]): NewTask[] => {
  const ids = new Map(inputs.map(({ name }, place) => [name, tasks[place]?.id ?? '']));
  const parents = new Set(inputs.flatMap(({ dependsOn }) => dependsOn ?? []));
  return tasks.map((task, place) => {
    const { name = '', dependsOn, onParentFailure } = inputs[place] ?? {};
    const hasDependents = parents.has(name);
    if (!dependsOn || dependsOn.length === 0) return { ...task, hasDependents };
    return {
      ...task,
      hasDependents,
      status: 'WAITING',
      waitsFor: dependsOn.map((parent) => ({ taskId: ids.get(parent) ?? '', name: parent })),
      onParentFailure: onParentFailure ?? 'CANCEL',
    };
  });
};
