import type { Command } from 'commander';
import { addCommand } from './define.ts';
import { CommandError } from './exit-codes.ts';
import type { Output } from './output.ts';
import { online, type Session } from './session.ts';
import { type FilterOptions, toWhere, withFilter } from './task-filter.ts';
import { TASK_COLUMNS, TASK_ROW_FIELDS, type TaskRow } from './task-rows.ts';
import { duration, localTime, plain, plainLines, toPrettyJson } from './text.ts';
import { parseCount } from './values.ts';

/** The largest page that the API gives. */
const MAX_PAGE = 500;

const TASKS = `query ($where: TaskWhere, $first: Int, $after: String) {
  tasks(where: $where, first: $first, after: $after) {
    edges { node { ${TASK_ROW_FIELDS} } }
    pageInfo { hasNextPage endCursor }
  }
}`;

const TASK = `query ($id: ID!) {
  task(id: $id) {
    ${TASK_ROW_FIELDS} payload result progressDetail timeoutMs workerId cancelRequestedAt
    error { message code stack } waitReason { kind until position }
    dependsOn { name status task { id } }
    events { seq status at attempt workerId detail }
  }
}`;

interface TaskPage {
  tasks: { edges: { node: TaskRow }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
}

interface TaskEvent {
  seq: number;
  status: string;
  at: string;
  attempt: number;
  workerId: string | null;
  detail: unknown;
}

interface WholeTask extends TaskRow {
  payload: unknown;
  result: unknown;
  progressDetail: unknown;
  timeoutMs: number | null;
  workerId: string | null;
  cancelRequestedAt: string | null;
  error: { message: string; code: string | null; stack: string | null } | null;
  waitReason: { kind: string; until: string | null; position: number | null } | null;
  dependsOn: { name: string | null; status: string | null; task: { id: string } | null }[];
  events: TaskEvent[];
}

/** `tasks` and `show`. */
export const addTaskCommands = (program: Command): void => {
  const tasks = addCommand(program, 'tasks', 'Lists your tasks, newest first.', [
    'taskflow tasks --status failed --since 2h',
    'taskflow tasks --type csv.profile --tag sample --limit 0 --json | jq -r .id',
    'taskflow tasks --payload customer.country=CH',
  ]);
  online(withFilter(tasks).option('--limit <count>', 'how many, at most; 0 for all', parseCount, 50), listTasks);
  online(
    addCommand(program, 'show <id>', 'Shows a task: its timeline, payload, result or error.', [
      'taskflow show 0198c1a2-…',
      'taskflow show 0198c1a2-… --json | jq .result',
    ]),
    async ({ request, output }, _options, id: string) => {
      const { task } = await request<{ task: WholeTask | null }>(TASK, { id });
      if (!task) throw noTask(id);
      output.json(task);
      if (!output.isJson) showTask(output, task);
    },
  );
};

/** There is no such task for the caller. */
export const noTask = (id: string): CommandError =>
  new CommandError(
    'NOT_FOUND',
    `There is no task ${plain(id)}, or it is somebody else's.`,
    '`taskflow tasks` lists yours.',
  );

const listTasks = async (session: Session, options: FilterOptions & { limit: number }): Promise<void> => {
  const { output } = session;
  const limit = options.limit || Number.POSITIVE_INFINITY;
  let isFirst = true;
  let left = limit;
  for await (const rows of pagesOfTasks(session, toWhere(options), limit)) {
    if (isFirst || rows.length > 0) await output.table(rows, TASK_COLUMNS, 'No task matches.');
    isFirst = false;
    left -= rows.length;
  }
  if (left === 0) output.hint(`These are the first ${limit}; --limit 0 shows all.`);
};

/** Tasks that match, newest first, page by page. */
async function* pagesOfTasks(
  { request }: Session,
  where: Record<string, unknown> | undefined,
  limit: number,
): AsyncGenerator<TaskRow[]> {
  let after: string | null = null;
  let left = limit;
  do {
    const page: TaskPage = await request(TASKS, { where, first: Math.min(left, MAX_PAGE), after });
    yield page.tasks.edges.map(({ node }) => node);
    left -= page.tasks.edges.length;
    after = page.tasks.pageInfo.hasNextPage ? page.tasks.pageInfo.endCursor : null;
  } while (after !== null && left > 0);
}

const showTask = (output: Output, task: WholeTask): void => {
  const { error, waitReason } = task;
  output.fields([
    ['task', output.bold(task.id)],
    ['type', plain(task.type)],
    ['queue', `${plain(task.queue)}, ${task.priority.toLowerCase()}`],
    ['status', `${output.status(task.status)}${task.progress === null ? '' : `, ${Math.round(task.progress)} %`}`],
    ['attempt', `${task.attempt} of ${task.maxAttempts}`],
    ['waits', waitReason && whyItWaits(waitReason)],
    ['waits for', task.dependsOn.map((parent) => plain(parent.name ?? parent.task?.id ?? 'a deleted task')).join(', ')],
    ['due', localTime(task.runAt)],
    ['tags', task.tags.map(plain).join(', ')],
    ['worker', task.workerId && plain(task.workerId)],
    ['cancelled', task.cancelReason && plain(task.cancelReason)],
  ]);
  output.line('');
  for (const line of timeline(output, task.events)) output.line(line);
  section(output, 'payload', task.payload);
  if (task.status === 'COMPLETED') section(output, 'result', task.result);
  if (error)
    output.line(`\n${output.bold('error')} ${plain(error.code ?? '')}\n${plainLines(error.stack ?? error.message)}`);
  if (task.status === 'FAILED') output.hint(`\nNext: \`taskflow logs ${task.id}\`, \`taskflow retry ${task.id}\``);
};

const section = (output: Output, name: string, value: unknown): void =>
  output.line(`\n${output.bold(name)}\n${toPrettyJson(value)}`);

const WHY: Readonly<Record<string, string>> = {
  DEPENDENCY: 'for tasks that it depends on',
  NOT_DUE: 'it is to run later',
  BACKOFF: 'for its next attempt',
  PAUSED: 'its queue is paused: `taskflow resume`',
  NO_WORKER: 'no worker that lives serves its queue and type: `taskflow workers`',
  BEHIND: 'workers are busy with others',
};

const whyItWaits = ({ kind, until, position }: NonNullable<WholeTask['waitReason']>): string => {
  const where = position === null ? '' : `, about ${position} go before it`;
  return `${WHY[kind] ?? kind}${until ? `, until ${localTime(until)}` : ''}${where}`;
};

/** A line for each transition: when, how long after the one before, what. */
const timeline = (output: Output, events: readonly TaskEvent[]): string[] =>
  events.map((event, index) => {
    const before = events[index - 1];
    const gap = before ? `+${duration(Date.parse(event.at) - Date.parse(before.at))}` : '';
    return transitionLine(output, event, gap);
  });

/** One transition in one line. @param gap how long after the one before */
export const transitionLine = (
  output: Output,
  { status, at, attempt, workerId, detail }: Omit<TaskEvent, 'at'> & { at: string | Date },
  gap: string,
): string => {
  const more = [
    attempt > 0 ? `attempt ${attempt}` : '',
    workerId ? `on ${plain(workerId)}` : '',
    detail === null || detail === undefined ? '' : plain(messageIn(detail)),
  ].filter((text) => text !== '');
  const name = `${output.status(status)}${' '.repeat(Math.max(0, 10 - status.length))}`;
  return `${output.dim(localTime(at))} ${gap.padStart(7)}  ${name}  ${more.join(', ')}`.trimEnd();
};

const messageIn = (detail: unknown): string => {
  const { message, reason } = Object(detail) as { message?: unknown; reason?: unknown };
  return typeof message === 'string' ? message : typeof reason === 'string' ? reason : JSON.stringify(detail);
};
