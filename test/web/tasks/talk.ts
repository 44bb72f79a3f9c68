import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { defineTask } from '../../../workers/sdk/index.ts';

/** Few enough that an attempt's 1,000 lines last for half a minute. */
const PAUSE_MS = 50;

/** Says `first` lines at once, then one after the other until it is cancelled. */
export const talk = defineTask({
  type: 'talk',
  payload: z.object({ first: z.number() }),
  handler: async ({ payload: { first }, log, signal }) => {
    for (let n = 1; n <= first; n++) log('info', `first ${n}`);
    for (let n = first + 1; ; n++) {
      await wait(PAUSE_MS, undefined, { signal });
      log('warn', `then ${n}`, { n });
    }
  },
});
