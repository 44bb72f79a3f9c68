import type { Command } from 'commander';
import { subscribePatiently } from '../client/subscription.ts';
import { watchTask } from '../client/watch.ts';
import { addCommand, collect } from './define.ts';
import { exitCode, usageError } from './exit-codes.ts';
import { online, type Session } from './session.ts';
import { noTask, transitionLine } from './tasks.ts';
import { duration, localTime, plain, plainLines, toJsonLine, toPrettyJson } from './text.ts';

interface WatchOptions {
  queue?: string[];
  tag?: string[];
  type?: string[];
  after?: string;
}

interface Change {
  cursor: string;
  event: { seq: number; status: string; at: string; attempt: number; workerId: string | null; detail: unknown };
  task: { id: string; type: string; queue: string };
}

interface LogLine {
  id: string;
  at: string;
  attempt: number;
  level: string;
  message: string;
  fields: unknown;
}

interface LogPage {
  task: {
    logs: { edges: { node: LogLine }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
  } | null;
}

const CHANGES = `subscription ($where: TaskWhere, $after: String) {
  taskChanges(where: $where, after: $after) {
    cursor event { seq status at attempt workerId detail } task { id type queue }
  }
}`;
const LINE_FIELDS = 'id at attempt level message fields';
const LOGS = `query ($id: ID!, $after: String) {
  task(id: $id) { logs(first: 500, after: $after) { edges { node { ${LINE_FIELDS} } } pageInfo { hasNextPage endCursor } } }
}`;
const FOLLOW_LOGS = `subscription ($id: ID!, $afterId: ID) { taskLogs(id: $id, afterId: $afterId) { ${LINE_FIELDS} } }`;
const ENDED = 'query ($id: ID!) { task(id: $id) { id status result error { message code } cancelReason } }';

/** `watch` and `logs`. */
export const addWatchCommands = (program: Command): void => {
  const watch = addCommand(
    program,
    'watch [id]',
    'Shows each transition of a task until it has ended; or those of all your tasks that match, until Ctrl-C.',
    ['taskflow watch 0198c1a2-…', 'taskflow watch --tag customer:42', 'taskflow watch --queue mail --json'],
  )
    .option('--queue <names>', 'of tasks in any of these queues', collect)
    .option('--tag <tags>', 'of tasks with all of these tags', collect)
    .option('--type <names>', 'of tasks of any of these types', collect)
    .option('--after <cursor>', 'goes on after this cursor, which --json shows: nothing is missed');
  online(watch, async (session, options: WatchOptions, id: string | undefined) => {
    const isFiltered = options.queue ?? options.tag ?? options.type ?? options.after;
    if (id !== undefined && isFiltered) throw usageError('Watch a task, or those that match: not both.');
    if (id === undefined) await watchChanges(session, options);
    else await watchToEnd(session, id);
  });
  online(
    addCommand(program, 'logs <id>', 'Shows what the handlers of a task said.', [
      'taskflow logs 0198c1a2-… -f',
      'taskflow logs 0198c1a2-… --json | jq -r .message',
    ]).option('-f, --follow', 'goes on until the task has ended'),
    async (session, { follow }: { follow?: boolean }, id: string) => {
      if (follow) await followLogs(session, id);
      else await pastLogs(session, id);
    },
  );
};

/**
 * Shows a task's transitions until it has ended, then how it ended. The exit code says whether it went well.
 *
 * @param onlyEnd with --json, only the ended task is written, and not each transition
 */
export const watchToEnd = async (session: Session, id: string, onlyEnd = false): Promise<void> => {
  const { connection, output, signal, request } = session;
  let before: Date | undefined;
  for await (const event of watchTask(connection, id, { signal })) {
    if (!onlyEnd) output.json(event);
    const gap = before ? `+${duration(event.at.getTime() - before.getTime())}` : '';
    output.line(transitionLine(output, event, gap));
    before = event.at;
  }
  const { task } = await request<{
    task: { status: string; result: unknown; error: { message: string } | null } | null;
  }>(ENDED, { id });
  if (!task) throw noTask(id);
  if (onlyEnd) output.json(task);
  if (task.status === 'COMPLETED') {
    output.line(toPrettyJson(task.result));
    return;
  }
  process.exitCode = exitCode('TASK_FAILED');
  if (task.error && task.status === 'FAILED') output.line(plainLines(task.error.message));
  output.hint(`Next: \`taskflow show ${id}\`, \`taskflow logs ${id}\`, \`taskflow retry ${id}\``);
};

const watchChanges = async (session: Session, { queue, tag, type, after }: WatchOptions): Promise<void> => {
  const { connection, output, signal } = session;
  const where = { queue, tags: tag, type };
  let cursor = after ?? null;
  output.hint('Watching; Ctrl-C ends it.');
  const variables = () => ({ where, after: cursor });
  for await (const { taskChanges } of subscribePatiently<{ taskChanges: Change }>(connection, CHANGES, variables, {
    signal,
  })) {
    cursor = taskChanges.cursor;
    const { event, task } = taskChanges;
    output.json(taskChanges);
    output.line(`${transitionLine(output, event, '')}  ${plain(task.type)} ${output.dim(task.id)}`);
  }
};

const pastLogs = async ({ request, output }: Session, id: string): Promise<void> => {
  let after: string | null = null;
  let isEmpty = true;
  do {
    const { task }: LogPage = await request(LOGS, { id, after });
    if (!task) throw noTask(id);
    for (const { node } of task.logs.edges) {
      output.json(node);
      output.line(logLine(node));
      isEmpty = false;
    }
    after = task.logs.pageInfo.hasNextPage ? task.logs.pageInfo.endCursor : null;
  } while (after !== null);
  if (isEmpty) output.hint('Its handlers have said nothing. -f waits for what they say.');
};

const followLogs = async ({ connection, output, signal }: Session, id: string): Promise<void> => {
  let afterId: string | null = null;
  const variables = () => ({ id, afterId });
  for await (const { taskLogs } of subscribePatiently<{ taskLogs: LogLine }>(connection, FOLLOW_LOGS, variables, {
    signal,
  })) {
    afterId = taskLogs.id;
    output.json(taskLogs);
    output.line(logLine(taskLogs));
  }
};

const logLine = ({ at, attempt, level, message, fields }: LogLine): string =>
  `${localTime(at)} ${attempt} ${plain(level).toUpperCase().padEnd(5)} ${plain(message)}${fields === null ? '' : ` ${toJsonLine(fields)}`}`;
