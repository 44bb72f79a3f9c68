import type { Command } from 'commander';
import { addCommand } from './define.ts';
import { CommandError } from './exit-codes.ts';
import { type Column, type Output, statusStyle } from './output.ts';
import { online } from './session.ts';
import { age, plain } from './text.ts';
import { parseCount, readJson } from './values.ts';

interface FlowRow {
  id: string;
  name: string;
  createdAt: string;
  counts: Record<'waiting' | 'scheduled' | 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled', number>;
}

interface FlowTask {
  name: string;
  dependsOn: string[];
  task: { id: string; type: string; status: string } | null;
}

const FIELDS = 'id name createdAt counts { waiting scheduled queued processing completed failed cancelled }';
const LIST = `query ($first: Int!) { flows(first: $first) { edges { node { ${FIELDS} } } } }`;
const SHOW = `query ($id: ID!) { flow(id: $id) { ${FIELDS} tasks { name dependsOn task { id type status } } } }`;
const CREATE = `mutation ($input: CreateFlowInput!) { createFlow(input: $input) { ${FIELDS} } }`;

const FLOWS: readonly Column<FlowRow>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'NAME', value: ({ name }) => name },
  { head: 'AGE', value: ({ createdAt }) => age(createdAt), align: 'right' },
  { head: 'TASKS', value: ({ counts }) => countsIn(counts) },
];

const TASKS: readonly Column<FlowTask>[] = [
  { head: 'NAME', value: ({ name }) => name },
  {
    head: 'STATUS',
    value: ({ task }) => task?.status ?? 'not kept',
    style: ({ task }) => statusStyle(task?.status ?? ''),
  },
  { head: 'TYPE', value: ({ task }) => task?.type ?? '' },
  { head: 'ID', value: ({ task }) => task?.id ?? '' },
  { head: 'WAITS FOR', value: ({ dependsOn }) => dependsOn.join(', ') },
];

/** `flows list|show|submit`. */
export const addFlowCommands = (program: Command): void => {
  const flows = addCommand(program, 'flows', 'Graphs of tasks: submits, lists and shows them.', [
    'taskflow flows submit flow.json',
  ]);
  online(
    addCommand(flows, 'list', 'Lists your flows, newest first.', ['taskflow flows list --limit 5']).option(
      '--limit <count>',
      'how many, at most 100',
      parseCount,
      20,
    ),
    async ({ request, output }, { limit }: { limit: number }) => {
      const { flows: page } = await request<{ flows: { edges: { node: FlowRow }[] } }>(LIST, { first: limit });
      await output.table(
        page.edges.map(({ node }) => node),
        FLOWS,
        'You have no flows.',
      );
    },
  );
  online(
    addCommand(flows, 'show <id>', 'Shows the tasks of a flow, and where each stands.', [
      'taskflow flows show 0198c1a2-…',
    ]),
    async ({ request, output }, _options, id: string) => {
      const { flow } = await request<{ flow: (FlowRow & { tasks: FlowTask[] }) | null }>(SHOW, { id });
      if (!flow) throw new CommandError('NOT_FOUND', `There is no flow ${plain(id)}.`, 'Next: `taskflow flows list`');
      await showFlow(output, flow);
    },
  );
  online(
    addCommand(flows, 'submit <file>', 'Submits a flow: a JSON file, or - for stdin, with the fields of createFlow.', [
      'taskflow flows submit flow.json',
      'echo \'{"name":"two","tasks":[{"name":"a","type":"echo"},{"name":"b","type":"echo","dependsOn":["a"]}]}\' | taskflow flows submit -',
    ]),
    async ({ request, output }, _options, file: string) => {
      const input = await readJson(file === '-' ? '-' : `@${file}`, 'The flow');
      const { createFlow: flow } = await request<{ createFlow: FlowRow }>(CREATE, { input });
      output.json(flow);
      output.line(flow.id);
      output.hint(`Next: \`taskflow flows show ${flow.id}\``);
    },
  );
};

const showFlow = async (output: Output, flow: FlowRow & { tasks: FlowTask[] }): Promise<void> => {
  if (output.isJson) return output.json(flow);
  output.fields([
    ['flow', flow.id],
    ['name', plain(flow.name)],
    ['tasks', countsIn(flow.counts)],
  ]);
  output.line('');
  await output.table(flow.tasks, TASKS, 'Its tasks are no longer kept.');
};

/** "3 completed, 1 waiting" */
const countsIn = (counts: FlowRow['counts']): string =>
  Object.entries(counts)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => `${value} ${name}`)
    .join(', ');
