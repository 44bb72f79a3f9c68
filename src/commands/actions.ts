import type { Command } from 'commander';
import { ApiError } from '../client/errors.ts';
import { addCommand } from './define.ts';
import { usageError } from './exit-codes.ts';
import { ended, followOperation, OPERATION_FIELDS, type OperationRow } from './operations.ts';
import { confirm } from './prompt.ts';
import { online, type Session } from './session.ts';
import { type FilterOptions, toWhere, withFilter } from './task-filter.ts';
import { count, counted } from './text.ts';

interface ActionOptions extends FilterOptions {
  all?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  detach?: boolean;
  reason?: string;
}

interface Action {
  name: 'cancel' | 'retry' | 'delete';
  /** "cancelled" */
  done: string;
  description: string;
  examples: readonly string[];
  /** The mutation for one task, where there is one. */
  one?: string;
  many: string;
  takesReason: boolean;
}

const ACTIONS: readonly Action[] = [
  {
    name: 'cancel',
    done: 'cancelled',
    description: 'Cancels tasks, by their ids or all that match. Running ones are told to stop.',
    examples: [
      'taskflow cancel 0198c1a2-… --reason "wrong file"',
      'taskflow cancel --queue mail --tag campaign:7 --dry-run',
    ],
    one: 'mutation ($id: ID!, $reason: String) { task: cancelTask(id: $id, reason: $reason) { id status } }',
    many: `mutation ($where: TaskWhere!, $all: Boolean, $dryRun: Boolean, $reason: String) {
      operation: cancelTasks(where: $where, all: $all, dryRun: $dryRun, reason: $reason) { ${OPERATION_FIELDS} }
    }`,
    takesReason: true,
  },
  {
    name: 'retry',
    done: 'put back',
    description: 'Puts FAILED and CANCELLED tasks back, by their ids or all that match; their attempts count anew.',
    examples: ['taskflow retry 0198c1a2-…', 'taskflow retry --status failed --type csv.profile --since 1d --yes'],
    one: 'mutation ($id: ID!) { task: retryTask(id: $id) { id status } }',
    many: `mutation ($where: TaskWhere!, $all: Boolean, $dryRun: Boolean) {
      operation: retryTasks(where: $where, all: $all, dryRun: $dryRun) { ${OPERATION_FIELDS} }
    }`,
    takesReason: false,
  },
  {
    name: 'delete',
    done: 'deleted',
    description: 'Deletes tasks that have ended, with their events and log lines, by their ids or all that match.',
    examples: ['taskflow delete --status completed --until 7d --dry-run', 'taskflow delete 0198c1a2-… --yes'],
    many: `mutation ($where: TaskWhere!, $all: Boolean, $dryRun: Boolean) {
      operation: deleteTasks(where: $where, all: $all, dryRun: $dryRun) { ${OPERATION_FIELDS} }
    }`,
    takesReason: false,
  },
];

/** `cancel`, `retry` and `delete`: of single tasks, and of all that match. */
export const addActionCommands = (program: Command): void => {
  for (const action of ACTIONS) {
    const command = withFilter(addCommand(program, `${action.name} [ids...]`, action.description, action.examples))
      .option('--all', 'all your tasks, where no filter is given')
      .option('--dry-run', 'only count them, and change nothing')
      .option('-y, --yes', 'do not ask')
      .option('--detach', 'do not wait for the end of the operation');
    if (action.takesReason) command.option('--reason <text>', 'why, for the events of the tasks');
    online(command, (session, options: ActionOptions, ids: string[]) => act(session, action, options, ids));
  }
};

const act = async (session: Session, action: Action, options: ActionOptions, ids: string[]): Promise<void> => {
  const filter = toWhere(options);
  if (ids.length > 0 && (filter || options.all)) throw usageError('Give ids or a filter, not both.');
  if (ids.length === 0 && !filter && !options.all) {
    throw usageError('It is not said which tasks.', 'Give ids or a filter, as --status failed; or --all.');
  }
  if (ids.length > 0 && action.one && !options.dryRun) return actOnEach(session, action, action.one, options, ids);
  await actOnMatching(session, action, options, filter ?? (ids.length > 0 ? { ids } : {}));
};

/** Goes on after a task that refuses, and ends with the first refusal. */
const actOnEach = async (
  { request, output }: Session,
  { done }: Action,
  mutation: string,
  { reason }: ActionOptions,
  ids: readonly string[],
): Promise<void> => {
  let refusal: ApiError | undefined;
  // Ids go by age, so parents are put back before tasks that are to wait for them.
  for (const id of ids.toSorted()) {
    try {
      const { task } = await request<{ task: { id: string; status: string } }>(mutation, { id, reason });
      output.json(task);
      const isTold = done === 'cancelled' && task.status === 'PROCESSING';
      output.line(`${task.id} ${isTold ? 'is told to stop' : `is ${done}`}: ${output.status(task.status)}`);
    } catch (error) {
      if (!(error instanceof ApiError) || ids.length === 1) throw error;
      output.note(`${id}: ${error.message}`);
      refusal ??= error;
    }
  }
  if (refusal) throw refusal;
};

const actOnMatching = async (
  session: Session,
  { name, done, many }: Action,
  options: ActionOptions,
  where: Record<string, unknown>,
): Promise<void> => {
  const { output, request, signal } = session;
  const start = async (dryRun: boolean): Promise<OperationRow> => {
    const variables = { where, all: options.all ?? false, dryRun, reason: options.reason };
    return (await request<{ operation: OperationRow }>(many, variables)).operation;
  };
  if (options.dryRun || !options.yes) {
    const counted_ = ended(await followOperation(session, await start(true)));
    if (options.dryRun) {
      output.json(counted_);
      output.line(`${counted(counted_.done, 'task')} would be ${done}, ${count(counted_.skipped)} left as they are.`);
      return;
    }
    await confirm(`${counted(counted_.done, 'task')} will be ${done}. Go on?`, false);
    signal.throwIfAborted();
  }
  const operation = await start(false);
  if (options.detach) {
    output.json(operation);
    output.line(operation.id);
    output.hint(`Next: \`taskflow operations watch ${operation.id}\``);
    return;
  }
  const result = await followOperation(session, operation);
  output.json(result);
  output.line(`${counted(result.done, 'task')} ${done}, ${count(result.skipped)} left as they were.`);
  ended(result);
  if (result.skipped > 0 && name === 'retry')
    output.hint('Left are those that neither failed nor were cancelled, and those of draining queues.');
};
