import type { Command } from 'commander';
import { addCommand } from './define.ts';
import { ended, followOperation, OPERATION_FIELDS, type OperationRow } from './operations.ts';
import type { Column } from './output.ts';
import { confirm } from './prompt.ts';
import { online } from './session.ts';
import { age, count, counted, plain, toPrettyJson } from './text.ts';

/** A queue as lists show it. */
export interface QueueRow {
  name: string;
  isPaused: boolean;
  isDraining: boolean;
  counts: { queued: number; scheduled: number; processing: number; completed: number; failed: number };
}

/** A worker as lists show it. */
export interface WorkerRow {
  id: string;
  host: string;
  language: string;
  version: string | null;
  queues: string[];
  types: string[] | null;
  concurrency: number;
  running: number;
  lastHeartbeatAt: string;
}

export const QUEUE_FIELDS = 'name isPaused isDraining counts { queued scheduled processing completed failed }';
export const WORKER_FIELDS = 'id host language version queues types concurrency running lastHeartbeatAt';

const PURGE = `mutation ($name: String!, $reason: String) {
  purgeQueue(name: $name, reason: $reason) { ${OPERATION_FIELDS} }
}`;

/** "paused", "draining" or nothing. */
export const queueState = ({ isPaused, isDraining }: QueueRow): string =>
  [isPaused ? 'paused' : '', isDraining ? 'draining' : ''].filter((word) => word !== '').join(', ');

const QUEUE_COLUMNS: readonly Column<QueueRow>[] = [
  { head: 'QUEUE', value: ({ name }) => name },
  { head: 'QUEUED', value: ({ counts }) => count(counts.queued), align: 'right' },
  { head: 'SCHEDULED', value: ({ counts }) => count(counts.scheduled), align: 'right' },
  { head: 'RUNNING', value: ({ counts }) => count(counts.processing), align: 'right' },
  { head: 'DONE 24H', value: ({ counts }) => count(counts.completed), align: 'right' },
  { head: 'FAILED 24H', value: ({ counts }) => count(counts.failed), align: 'right' },
  { head: 'STATE', value: queueState, style: () => 'yellow' },
];

const WORKER_COLUMNS: readonly Column<WorkerRow>[] = [
  { head: 'WORKER', value: ({ id }) => id },
  { head: 'HOST', value: ({ host }) => host },
  { head: 'LANGUAGE', value: ({ language, version }) => `${language} ${version ?? ''}` },
  { head: 'LOAD', value: ({ running, concurrency }) => `${running}/${concurrency}`, align: 'right' },
  { head: 'SEEN', value: ({ lastHeartbeatAt }) => age(lastHeartbeatAt), align: 'right' },
  { head: 'QUEUES', value: ({ queues }) => queues.join(',') },
  { head: 'TYPES', value: ({ types }) => (types ?? []).join(',') },
];

const CHANGES = [
  [
    'pause',
    'pauseQueue',
    'Nothing more is claimed from a queue; what runs goes on.',
    'is paused; `taskflow resume` ends it',
  ],
  ['resume', 'resumeQueue', 'Ends the pause of a queue, and its draining.', 'goes on'],
  [
    'drain',
    'drainQueue',
    'A queue takes no new tasks, and works on what it has.',
    'takes no new tasks; `taskflow resume` ends it',
  ],
] as const;

/** `queues`, `pause`, `resume`, `drain`, `purge`, `workers` and `types`. */
export const addQueueCommands = (program: Command): void => {
  online(
    addCommand(program, 'queues', 'Lists the queues with their depths.', ['taskflow queues', 'taskflow queues --json']),
    async ({ request, output }) => {
      const { queues } = await request<{ queues: QueueRow[] }>(`{ queues { ${QUEUE_FIELDS} } }`);
      await output.table(queues, QUEUE_COLUMNS, 'No queue has tasks.');
    },
  );
  for (const [name, field, description, outcome] of CHANGES) {
    const mutation = `mutation ($name: String!) { queue: ${field}(name: $name) { ${QUEUE_FIELDS} } }`;
    online(
      addCommand(program, `${name} <queue>`, `${description} For admins.`, [`taskflow ${name} mail`]),
      async ({ request, output }, _options, given: string) => {
        const { queue } = await request<{ queue: QueueRow }>(mutation, { name: given });
        output.json(queue);
        output.line(`The queue ${plain(queue.name)} ${outcome}.`);
      },
    );
  }
  addPurgeCommand(program);
  online(
    addCommand(program, 'workers', 'Lists the workers that live.', ['taskflow workers']),
    async ({ request, output }) => {
      const { workers } = await request<{ workers: WorkerRow[] }>(`{ workers { ${WORKER_FIELDS} } }`);
      await output.table(workers, WORKER_COLUMNS, 'No worker lives. `taskflow worker` starts one.');
    },
  );
  online(
    addCommand(
      program,
      'types [type]',
      'Lists the task types that workers know; of one, the JSON Schema of its payload.',
      ['taskflow types', 'taskflow types csv.profile'],
    ),
    async ({ request, output }, _options, type: string | undefined) => {
      const { taskTypes } = await request<{ taskTypes: { type: string; payloadSchema: unknown }[] }>(
        '{ taskTypes { type payloadSchema } }',
      );
      const rows = taskTypes.filter((each) => type === undefined || each.type === type);
      const [only] = rows;
      if (type !== undefined && only && !output.isJson) return output.line(toPrettyJson(only.payloadSchema));
      const columns = [
        { head: 'TYPE', value: (row: (typeof rows)[number]) => row.type },
        {
          head: 'PAYLOAD',
          value: (row: (typeof rows)[number]) => (row.payloadSchema ? fieldsOf(row.payloadSchema) : 'any'),
        },
      ];
      await output.table(rows, columns, 'No worker has announced it. `taskflow workers` shows those that live.');
    },
  );
};

const addPurgeCommand = (program: Command): void => {
  online(
    addCommand(
      program,
      'purge <queue>',
      "Cancels everybody's waiting tasks of a queue; running ones go on. For admins.",
      ['taskflow purge mail --reason "sent twice" --yes'],
    )
      .option('--reason <text>', 'why, for the events of the tasks')
      .option('-y, --yes', 'do not ask'),
    async (session, { reason, yes }: { reason?: string; yes?: boolean }, name: string) => {
      await confirm(`Everybody's waiting tasks of ${name} will be cancelled. Go on?`, yes === true);
      const { purgeQueue } = await session.request<{ purgeQueue: OperationRow }>(PURGE, { name, reason });
      const result = await followOperation(session, purgeQueue);
      session.output.json(result);
      session.output.line(`${counted(result.done, 'task')} cancelled.`);
      ended(result);
    },
  );
};

/** "file, delimiter?": what a payload has. */
const fieldsOf = (schema: unknown): string => {
  const { properties = {}, required = [] } = schema as { properties?: object; required?: string[] };
  const names = Object.keys(properties).map((name) => (required.includes(name) ? name : `${name}?`));
  return names.length > 0 ? names.join(', ') : 'any that fits its schema';
};
