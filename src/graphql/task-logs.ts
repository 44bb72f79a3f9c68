import { readingReachOf } from '../accounts/principal.ts';
import { toConnection } from '../tasks/page.ts';
import { findLogs, LOG_PAGE, type LogLine, watchLogs } from '../tasks/task-logs.ts';
import { builder } from './builder.ts';
import { requireReader } from './context.ts';
import { TaskType } from './tasks.ts';

const LogLineType = builder.objectRef<LogLine>('TaskLogLine').implement({
  description: 'A line that a handler kept with its task.',
  fields: (t) => ({
    id: t.exposeID('id', { description: "Its place among the task's lines." }),
    taskId: t.exposeID('taskId', { description: 'Whose line.' }),
    attempt: t.exposeInt('attempt', { description: 'In which attempt it was said.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    level: t.exposeString('level', { description: 'debug, info, warn or error.' }),
    message: t.exposeString('message', { description: 'In words.' }),
    fields: t.expose('fields', { type: 'JSON', nullable: true, description: 'For programs.' }),
  }),
});

builder.objectField(TaskType, 'logs', (t) =>
  t.connection(
    {
      type: LogLineType,
      description: `What its handlers said, in order, at most ${LOG_PAGE.max} a page. Default: the first ${LOG_PAGE.initial}.`,
      resolve: async ({ id }, page, { services }) => {
        const { lines, ...more } = await findLogs(services.loaders.logs, id, page);
        return toConnection({ nodes: lines, ...more });
      },
    },
    { name: 'TaskLogConnection', description: 'A page of log lines.' },
    { name: 'TaskLogEdge', description: 'A log line with its place among the others.' },
  ),
);

builder.subscriptionField('taskLogs', (t) =>
  t.field({
    type: LogLineType,
    description:
      'What the handlers of a task say: past lines first, then as they come, without a gap; completes with the task.',
    args: {
      id: t.arg.id({ required: true, description: 'Whose lines.' }),
      afterId: t.arg.id({ description: 'The id of the last line seen.' }),
    },
    authScopes: { reader: true },
    subscribe: (_root, { id, afterId }, context) =>
      watchLogs(context.services, readingReachOf(requireReader(context)), id, afterId),
    resolve: (line) => line,
  }),
);
