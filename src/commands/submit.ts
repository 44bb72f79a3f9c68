import { type Command, Option } from 'commander';
import { addCommand, collect } from './define.ts';
import { usageError } from './exit-codes.ts';
import { online, type Session } from './session.ts';
import { isDuration, parseCount, parseDuration, parseFuture, readJson } from './values.ts';
import { watchToEnd } from './watch.ts';

export interface SubmitOptions {
  payload?: string;
  file?: string;
  watch?: boolean;
  queue?: string;
  priority?: string;
  runAt?: string;
  maxAttempts?: number;
  timeout?: number;
  tag?: string[];
  after?: string[];
  key?: string;
  run?: string;
  batch: number;
  inFlight: number;
}

const CREATE = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id type queue status createdAt } }';

/** `submit`: a task, or those of a file. */
export const addSubmitCommand = (program: Command): void => {
  const submit = addCommand(
    program,
    'submit [type]',
    'Submits a task; or with --file many, one JSON object a line. Prints the id.',
    [
      'taskflow submit echo --payload \'{"hello":"world"}\' --watch',
      'taskflow submit csv.profile --payload @payload.json --queue nightly --run-at 2h',
      "jq -c '{ms: .}' numbers.json | taskflow submit sleep --payload -",
      'taskflow submit --file tasks.ndjson     # lines as {"type":"echo","payload":{"n":1}}; run it again after a crash',
      'taskflow submit echo --file tasks.ndjson --tag import     # for lines that do not say',
    ],
  )
    .option('--payload <json>', 'JSON, or @file, or - for stdin')
    .option(
      '--file <file>',
      'a line for each task, with the fields of createTask; the options hold for lines that do not say',
    )
    .option('--watch', 'shows each transition until it has ended; the exit code says how')
    .option('--queue <name>', 'in which line it waits')
    .addOption(new Option('--priority <name>', 'what goes first').choices(['high', 'normal', 'low']))
    .option('--run-at <time>', 'not before: in so long (90s, 2h), or at a time')
    .option('--max-attempts <count>', 'how often it is tried', parseCount)
    .option('--timeout <time>', 'how long one attempt may take: 90s, 2h', parseDuration)
    .option('--tag <tags>', 'words to find it by', collect)
    .option('--after <ids>', 'tasks that must end before', collect)
    .option('--key <key>', 'an idempotency key: the same one gives the same task')
    .option('--run <name>', 'with --file: another name submits the same file once more')
    .addOption(new Option('--batch <count>', 'with --file: tasks a request').argParser(parseCount).default(1_000))
    .addOption(new Option('--in-flight <count>', 'with --file: requests at once').argParser(parseCount).default(4));
  online(submit, submitAny);
};

const submitAny = async (session: Session, options: SubmitOptions, type: string | undefined): Promise<void> => {
  const { file, payload, watch, key } = options;
  if (file === undefined) {
    if (type === undefined)
      throw usageError('The task type is missing.', '`taskflow types` lists those that workers know.');
    return submitOne(session, options, type);
  }
  if (payload ?? watch ?? key) throw usageError('--payload, --watch and --key are for one task, not for --file.');
  if (options.batch < 1 || options.batch > 1_000 || options.inFlight < 1 || options.inFlight > 32) {
    throw usageError('--batch is 1 to 1000, --in-flight 1 to 32.');
  }
  if (options.runAt !== undefined && isDuration(options.runAt)) {
    throw usageError('With --file, --run-at takes a time: after a crash it must still be the same one.');
  }
  const { submitFile } = await import('./submit-file.ts');
  await submitFile(
    session,
    { file, run: options.run ?? '', batch: options.batch, inFlight: options.inFlight },
    defaultsOf(options, type),
  );
};

const submitOne = async (session: Session, options: SubmitOptions, type: string): Promise<void> => {
  const { output, request } = session;
  const payload = options.payload === undefined ? null : await readJson(options.payload, 'The payload');
  const input = { ...defaultsOf(options, type), payload, idempotencyKey: options.key };
  const { createTask: task } = await request<{ createTask: { id: string; queue: string; status: string } }>(CREATE, {
    input,
  });
  if (options.watch) {
    output.line(task.id);
    return watchToEnd(session, task.id, true);
  }
  output.json(task);
  output.line(task.id);
  output.hint(`${task.status} in ${task.queue}. Next: \`taskflow watch ${task.id}\``);
};

/** What the options say of a task; null for the number of attempts means: as its type says. */
const defaultsOf = (options: SubmitOptions, type: string | undefined): Record<string, unknown> => {
  const { queue, priority, runAt, maxAttempts, timeout, tag, after } = options;
  const given = {
    type,
    queue,
    priority: priority?.toUpperCase(),
    runAt: runAt && parseFuture(runAt),
    timeoutMs: timeout,
    tags: tag,
    dependsOn: after,
  };
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(said), maxAttempts: maxAttempts ?? null };
};
