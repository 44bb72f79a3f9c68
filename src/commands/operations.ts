import type { Command } from 'commander';
import { subscribePatiently } from '../client/subscription.ts';
import { addCommand } from './define.ts';
import { CommandError } from './exit-codes.ts';
import { type Column, statusStyle } from './output.ts';
import { openProgress } from './progress.ts';
import { online, type Session } from './session.ts';
import { age, count, counted } from './text.ts';

/** Something that is done to many tasks. */
export interface OperationRow {
  id: string;
  kind: string;
  status: string;
  isDryRun: boolean;
  matched: number;
  done: number;
  skipped: number;
  error: string | null;
  queue: string | null;
  createdAt: string;
  finishedAt: string | null;
}

export const OPERATION_FIELDS = 'id kind status isDryRun matched done skipped error queue createdAt finishedAt';

const LIST = `{ operations(first: 50) { edges { node { ${OPERATION_FIELDS} } } } }`;
const FIND = `query ($id: ID!) { operation(id: $id) { ${OPERATION_FIELDS} } }`;
const CANCEL = `mutation ($id: ID!) { cancelOperation(id: $id) { ${OPERATION_FIELDS} } }`;
const UPDATES = `subscription ($id: ID!) { operationUpdated(id: $id) { ${OPERATION_FIELDS} } }`;

const COLUMNS: readonly Column<OperationRow>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'KIND', value: ({ kind, isDryRun }) => (isDryRun ? `${kind} (dry run)` : kind) },
  { head: 'STATUS', value: ({ status }) => status, style: ({ status }) => statusStyle(status) },
  { head: 'MATCHED', value: ({ matched }) => count(matched), align: 'right' },
  { head: 'DONE', value: ({ done }) => count(done), align: 'right' },
  { head: 'SKIPPED', value: ({ skipped }) => count(skipped), align: 'right' },
  { head: 'AGE', value: ({ createdAt }) => age(createdAt), align: 'right' },
  { head: 'NOTE', value: ({ error, queue }) => error ?? queue },
];

/** `operations list|watch|cancel`. */
export const addOperationCommands = (program: Command): void => {
  const operations = addCommand(program, 'operations', 'What is done to many tasks at once: lists, watches, ends it.', [
    'taskflow operations list',
  ]);
  online(
    addCommand(operations, 'list', 'Lists your operations, newest first.', ['taskflow operations list --json']),
    async ({ request, output }) => {
      const { operations: page } = await request<{ operations: { edges: { node: OperationRow }[] } }>(LIST);
      await output.table(
        page.edges.map(({ node }) => node),
        COLUMNS,
        'There are no operations.',
      );
    },
  );
  online(
    addCommand(operations, 'watch <id>', 'Waits for the end of an operation.', [
      'taskflow operations watch 0198c1a2-…',
    ]),
    async (session, _options, id: string) => {
      const { operation } = await session.request<{ operation: OperationRow | null }>(FIND, { id });
      if (!operation)
        throw new CommandError('NOT_FOUND', `There is no operation ${id}.`, 'Next: `taskflow operations list`');
      const result = await followOperation(session, operation);
      session.output.json(result);
      session.output.line(`${counted(result.done, 'task')} done, ${count(result.skipped)} left as they were.`);
      ended(result);
    },
  );
  online(
    addCommand(operations, 'cancel <id>', 'Ends an operation; what it has done stays done.', [
      'taskflow operations cancel 0198c1a2-…',
    ]),
    async ({ request, output }, _options, id: string) => {
      const { cancelOperation } = await request<{ cancelOperation: OperationRow }>(CANCEL, { id });
      output.json(cancelOperation);
      output.line(`It ends with ${counted(cancelOperation.done, 'task')} done.`);
    },
  );
};

/** Shows how far an operation is until it has ended. @returns it as it ended */
export const followOperation = async (session: Session, operation: OperationRow): Promise<OperationRow> => {
  const { connection, signal, output } = session;
  const progress = await openProgress(output, 0, 'tasks looked at');
  let last = operation;
  const variables = () => ({ id: operation.id });
  try {
    for await (const { operationUpdated } of subscribePatiently<{ operationUpdated: OperationRow }>(
      connection,
      UPDATES,
      variables,
      { signal },
    )) {
      last = operationUpdated;
      progress.set(last.matched, last.matched);
    }
  } finally {
    progress.stop();
  }
  return last;
};

/** @throws CommandError PARTLY when it ended early */
export const ended = (operation: OperationRow): OperationRow => {
  if (operation.status === 'COMPLETED') return operation;
  throw new CommandError(
    'PARTLY',
    `The operation ended ${operation.status} after ${counted(operation.done, 'task')}${operation.error ? `: ${operation.error}` : ''}.`,
    'The same command goes on with what is left.',
  );
};
