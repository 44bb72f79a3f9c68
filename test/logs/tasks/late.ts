import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { defineTask } from '../../../workers/sdk/index.ts';
import { conformanceTasks } from '../../conformance/tasks/conformance.ts';

/** Gives the payload's text back once its file is there: when Redis is out of order. */
export const late = defineTask({
  type: 'late',
  handler: async ({ payload }) => {
    const { text, file } = payload as { text: string; file: string };
    while (!existsSync(file)) await wait(20);
    return text;
  },
});

/** In a thread, whose log comes to the worker's. */
export const isolatedLog = defineTask({
  type: 'isolated.log',
  isolate: import.meta.url,
  handler: (context) => {
    context.logger.warn({ err: Object.assign(new Error('refused'), { command: context.payload }) }, 'a thread says');
    return null;
  },
});

export const conformance = conformanceTasks;
