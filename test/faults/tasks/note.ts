import { appendFile } from 'node:fs/promises';
import { z } from 'zod';
import { defineTask } from '../../../workers/sdk/index.ts';

/** Notes in a file that it ran: what PostgreSQL and Redis say may be lost. */
export const note = defineTask({
  type: 'note',
  payload: z.object({ file: z.string() }),
  handler: async ({ taskId, payload: { file } }) => appendFile(file, `${taskId}\n`),
});
