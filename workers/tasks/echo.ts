import { defineTask } from '../runtime/define-task.ts';

/** Returns its payload, whatever it is. */
export const echo = defineTask({ type: 'echo', handler: ({ payload }) => payload });
