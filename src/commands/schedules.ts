import { type Command, Option } from 'commander';
import { addCommand, collect } from './define.ts';
import { CommandError } from './exit-codes.ts';
import type { Column, Output } from './output.ts';
import { confirm } from './prompt.ts';
import { online } from './session.ts';
import { age, localTime, plain, toPrettyJson } from './text.ts';
import { parseCount, parseDuration, readJson } from './values.ts';

interface ScheduleRow {
  id: string;
  name: string;
  cron: string;
  timeZone: string;
  type: string;
  queue: string;
  payload: unknown;
  missedRuns: string;
  isPaused: boolean;
  nextRunAt: string | null;
  lastRunAt: string | null;
  lastError: string | null;
  nextRuns: string[];
}

interface ScheduleOptions {
  cron?: string;
  timeZone?: string;
  name?: string;
  type?: string;
  payload?: string;
  queue?: string;
  priority?: string;
  missedRuns?: string;
  maxAttempts?: number;
  timeout?: number;
  tag?: string[];
}

const FIELDS = 'id name cron timeZone type queue payload missedRuns isPaused nextRunAt lastRunAt lastError nextRuns';
const LIST = `query ($after: String) {
  schedules(first: 100, after: $after) { edges { node { ${FIELDS} } } pageInfo { hasNextPage endCursor } }
}`;
const FIND = `query ($id: ID!) { schedule(id: $id) { ${FIELDS} } }`;
const CREATE = `mutation ($input: CreateScheduleInput!) { schedule: createSchedule(input: $input) { ${FIELDS} } }`;
const UPDATE = `mutation ($id: ID!, $input: UpdateScheduleInput!) {
  schedule: updateSchedule(id: $id, input: $input) { ${FIELDS} }
}`;
const RUN = 'mutation ($id: ID!) { runScheduleNow(id: $id) { id type status } }';

const COLUMNS: readonly Column<ScheduleRow>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'NAME', value: ({ name }) => name },
  { head: 'CRON', value: ({ cron, timeZone }) => `${cron} ${timeZone}` },
  { head: 'TYPE', value: ({ type }) => type },
  { head: 'NEXT', value: ({ isPaused, nextRunAt }) => (isPaused ? 'paused' : localTime(nextRunAt).slice(0, 19)) },
  { head: 'LAST', value: ({ lastRunAt }) => age(lastRunAt), align: 'right' },
  { head: 'ERROR', value: ({ lastError }) => lastError, style: () => 'red' },
];

const CHANGES = [
  ['pause', 'pauseSchedule', 'Pauses a schedule; due times meanwhile are never made up.', 'is paused'],
  ['resume', 'resumeSchedule', 'Ends the pause of a schedule.', 'goes on'],
  ['delete', 'deleteSchedule', 'Deletes a schedule; its tasks stay.', 'is deleted'],
] as const;

/** `schedules list|show|create|update|run|pause|resume|delete`. */
export const addScheduleCommands = (program: Command): void => {
  const schedules = addCommand(
    program,
    'schedules',
    'Tasks at set times: makes, lists, changes and pauses schedules.',
    ['taskflow schedules create nightly "30 2 * * *" csv.profile --payload @payload.json --time-zone Europe/Berlin'],
  );
  addReading(schedules);
  addWriting(schedules);
  for (const [name, field, description, outcome] of CHANGES) {
    const mutation = `mutation ($id: ID!) { schedule: ${field}(id: $id) { ${FIELDS} } }`;
    const command = addCommand(schedules, `${name} <id>`, description, [`taskflow schedules ${name} 0198c1a2-…`]);
    if (name === 'delete') command.option('-y, --yes', 'do not ask');
    online(command, async ({ request, output }, { yes }: { yes?: boolean }, id: string) => {
      if (name === 'delete') await confirm(`The schedule ${id} will be deleted. Go on?`, yes === true);
      const { schedule } = await request<{ schedule: ScheduleRow }>(mutation, { id });
      output.json(schedule);
      output.line(`The schedule ${plain(schedule.name)} ${outcome}.`);
    });
  }
};

const addReading = (schedules: Command): void => {
  online(
    addCommand(schedules, 'list', 'Lists your schedules, newest first.', ['taskflow schedules list']),
    async ({ request, output }) => {
      const rows: ScheduleRow[] = [];
      let after: string | null = null;
      do {
        const page: {
          schedules: { edges: { node: ScheduleRow }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
        } = await request(LIST, { after });
        rows.push(...page.schedules.edges.map(({ node }) => node));
        after = page.schedules.pageInfo.hasNextPage ? page.schedules.pageInfo.endCursor : null;
      } while (after !== null);
      await output.table(rows, COLUMNS, 'You have no schedules.');
    },
  );
  online(
    addCommand(schedules, 'show <id>', 'Shows a schedule with its next due times.', [
      'taskflow schedules show 0198c1a2-…',
    ]),
    async ({ request, output }, _options, id: string) => {
      const { schedule } = await request<{ schedule: ScheduleRow | null }>(FIND, { id });
      if (!schedule) {
        throw new CommandError('NOT_FOUND', `There is no schedule ${plain(id)}.`, 'Next: `taskflow schedules list`');
      }
      show(output, schedule);
    },
  );
};

const addWriting = (schedules: Command): void => {
  online(
    withTaskOptions(
      addCommand(schedules, 'create <name> <cron> <type>', 'Makes a schedule.', [
        'taskflow schedules create hourly "@hourly" echo --payload \'{"n":1}\'',
      ]),
    ),
    async ({ request, output }, options: ScheduleOptions, name: string, cron: string, type: string) => {
      const input = { ...(await toInput(options)), name, cron, type };
      show(output, (await request<{ schedule: ScheduleRow }>(CREATE, { input })).schedule);
    },
  );
  online(
    withTaskOptions(
      addCommand(schedules, 'update <id>', 'Changes what is given of a schedule.', [
        'taskflow schedules update 0198c1a2-… --cron "0 3 * * *"',
      ]),
    )
      .option('--name <name>', 'its new name')
      .option('--cron <expression>', 'when it is due')
      .option('--type <name>', 'of which type its tasks are'),
    async ({ request, output }, options: ScheduleOptions, id: string) => {
      show(output, (await request<{ schedule: ScheduleRow }>(UPDATE, { id, input: await toInput(options) })).schedule);
    },
  );
  online(
    addCommand(schedules, 'run <id>', 'Makes a task of a schedule at once; prints its id.', [
      'taskflow schedules run 0198c1a2-…',
    ]),
    async ({ request, output }, _options, id: string) => {
      const { runScheduleNow: task } = await request<{ runScheduleNow: { id: string } }>(RUN, { id });
      output.json(task);
      output.line(task.id);
      output.hint(`Next: \`taskflow watch ${task.id}\``);
    },
  );
};

const withTaskOptions = (command: Command): Command =>
  command
    .option('--payload <json>', 'JSON, or @file, or - for stdin')
    .option('--time-zone <name>', 'whose clocks: Europe/Berlin')
    .option('--queue <name>', 'in which line its tasks wait')
    .addOption(new Option('--priority <name>', 'what goes first').choices(['high', 'normal', 'low']))
    .addOption(new Option('--missed-runs <what>', 'what becomes of missed due times').choices(['skip', 'run_once']))
    .option('--max-attempts <count>', 'how often a task is tried', parseCount)
    .option('--timeout <time>', 'how long one attempt may take', parseDuration)
    .option('--tag <tags>', 'tags for its tasks', collect);

const toInput = async (options: ScheduleOptions): Promise<Record<string, unknown>> => {
  const { payload, priority, missedRuns, timeout, tag, name, cron, type, timeZone, queue, maxAttempts } = options;
  const given = {
    ...{ name, cron, type, timeZone, queue, maxAttempts },
    priority: priority?.toUpperCase(),
    missedRuns: missedRuns?.toUpperCase(),
    timeoutMs: timeout,
    tags: tag,
    payload: payload === undefined ? undefined : await readJson(payload, 'The payload'),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
};

const show = (output: Output, schedule: ScheduleRow): void => {
  output.json(schedule);
  output.fields([
    ['schedule', schedule.id],
    ['name', plain(schedule.name)],
    ['due', `${schedule.cron} ${schedule.timeZone}${schedule.isPaused ? ', paused' : ''}`],
    ['type', plain(schedule.type)],
    ['queue', plain(schedule.queue)],
    ['last run', localTime(schedule.lastRunAt)],
    ['error', schedule.lastError && plain(schedule.lastError)],
  ]);
  for (const at of schedule.nextRuns) output.line(`  next ${localTime(at).slice(0, 19)}`);
  output.line(toPrettyJson(schedule.payload));
};
