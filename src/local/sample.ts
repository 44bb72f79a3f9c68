import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MultiBar, Presets } from 'cli-progress';
import Table from 'cli-table3';
import type { Client } from 'graphql-ws';
import { TaskFlowError } from '../errors.ts';
import { openSocket, request } from './graphql-client.ts';

/** The folder of vega-datasets with its CSV files. @throws TaskFlowError when the package is not installed */
export const sampleFolder = (): string => {
  try {
    // The package exports its code only; the data lies beside it.
    return fileURLToPath(new URL('../data', import.meta.resolve('vega-datasets')));
  } catch {
    throw new TaskFlowError(
      'UNAVAILABLE',
      'The sample files are not installed: run `npm install`, or start with --no-sample.',
    );
  }
};

interface SampleEvent {
  status: string;
  attempt: number;
  at: string;
}

interface SampleTask {
  id: string;
  status: string;
  payload: { file: string };
  result: { bytes: number; rows: number; columns: { name: string; type: string; missing: number }[] } | null;
  error: { message: string } | null;
  startedAt: string | null;
  finishedAt: string | null;
}

const SUBMIT = 'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id status payload } }';
const EVENTS = 'subscription ($id: ID!) { taskEvents(id: $id) { status attempt at } }';
const RESULTS = `query ($ids: [ID!]!) {
  tasks(where: { ids: $ids }, first: 500) { edges { node { id status payload result error { message } startedAt finishedAt } } }
}`;

/**
 * Submits one csv.profile task for each CSV file of the sample folder, shows each transition as the subscription brings
 * it, and prints the results.
 */
export const runSample = async (url: string, apiKey: string, say: (line: string) => void): Promise<void> => {
  const files = readdirSync(sampleFolder()).filter((file) => file.endsWith('.csv'));
  const credentials = { 'x-api-key': apiKey };
  const inputs = files.map((file) => ({ type: 'csv.profile', payload: { file }, tags: ['sample'] }));
  say(`Profiling ${files.length} CSV files of vega-datasets, one task each:`);
  const { createTasks } = await request<{ createTasks: SampleTask[] }>(url, SUBMIT, { inputs }, credentials);
  const socket = openSocket(url, credentials);
  try {
    await showTransitions(socket, createTasks, say);
  } finally {
    await socket.dispose();
  }
  const ids = createTasks.map(({ id }) => id);
  const { tasks } = await request<{ tasks: { edges: { node: SampleTask }[] } }>(url, RESULTS, { ids }, credentials);
  say(resultTable(tasks.edges.map(({ node }) => node).reverse()));
};

const showTransitions = async (
  socket: Client,
  tasks: readonly SampleTask[],
  say: (line: string) => void,
): Promise<void> => {
  const isTerminal = process.stdout.isTTY === true;
  const bars = new MultiBar(
    { format: ' {bar} {value}/{total} ended', hideCursor: true, clearOnComplete: false },
    Presets.shades_classic,
  );
  const bar = isTerminal ? bars.create(tasks.length, 0) : undefined;
  const width = Math.max(...tasks.map(({ payload }) => payload.file.length));
  const show = ({ payload }: SampleTask, past: readonly SampleEvent[]): void => {
    const line = ` ${payload.file.padEnd(width)}  ${past.map(({ status }) => capitalised(status)).join(' → ')}`;
    if (isTerminal) bars.log(`${line}\n`);
    else say(line);
  };
  try {
    await Promise.all(
      tasks.map(async (task) => {
        const past: SampleEvent[] = [];
        for await (const { data, errors } of socket.iterate<{ taskEvents: SampleEvent }>({
          query: EVENTS,
          variables: { id: task.id },
        })) {
          if (errors?.[0]) throw new TaskFlowError('UNAVAILABLE', errors[0].message);
          if (data) past.push(data.taskEvents);
          show(task, past);
        }
        bar?.increment();
      }),
    );
  } finally {
    bars.stop();
  }
};

const capitalised = (status: string): string => status.charAt(0) + status.slice(1).toLowerCase();

const resultTable = (tasks: readonly SampleTask[]): string => {
  const table = new Table({
    head: ['File', 'Status', 'Bytes', 'Rows', 'Columns', 'Missing', 'ms'],
    colAligns: ['left', 'left', 'right', 'right', 'left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { payload, status, result, error, startedAt, finishedAt } of tasks) {
    const ms = startedAt && finishedAt ? String(Date.parse(finishedAt) - Date.parse(startedAt)) : '';
    table.push(
      result
        ? [payload.file, status, result.bytes, result.rows, kindsOf(result.columns), missingOf(result.columns), ms]
        : [payload.file, status, '', '', error?.message ?? '', '', ms],
    );
  }
  return table.toString();
};

const missingOf = (columns: readonly { missing: number }[]): number =>
  columns.reduce((sum, { missing }) => sum + missing, 0);

/** "3 number, 2 string" */
const kindsOf = (columns: readonly { type: string }[]): string => {
  const counts = Map.groupBy(columns, ({ type }) => type);
  return [...counts].map(([type, { length }]) => `${length} ${type}`).join(', ');
};
