import { DoNotRetryError, defineTask, RetryAfterError } from 'taskflow/worker';
import { z } from 'zod';

/** Uses the processor and looks at nothing. */
export const spin = defineTask({
  type: 'spin',
  isolate: import.meta.url,
  payload: z.object({ ms: z.number() }),
  handler: ({ payload, progress, log }) => {
    progress(1);
    log('info', 'spinning', { ms: payload.ms });
    const end = performance.now() + payload.ms;
    while (performance.now() < end);
    return 'done';
  },
});

/** Says all that a context has. */
export const describe = defineTask({
  type: 'describe',
  isolate: import.meta.url,
  payload: z.object({ n: z.number().default(7) }),
  result: z.object({ text: z.string() }).loose(),
  handler: ({ payload, signal, logger, progress, log, ...rest }) => {
    logger.info({ n: payload.n }, 'from the thread');
    progress(50, { step: 'half', left: () => 1 });
    log('warn', 'careful');
    return { text: 'ok', payload, aborted: signal.aborted, ...rest };
  },
});

/** Ends in each of the ways that a handler can end badly. */
export const broken = defineTask({
  type: 'broken',
  isolate: import.meta.url,
  handler: async ({ payload }) => {
    if (payload === 'never') throw new DoNotRetryError('wrong', { code: 'WRONG' });
    if (payload === 'later') throw new RetryAfterError('busy', 60_000, { code: 'BUSY' });
    if (payload === 'throw') throw Object.assign(new Error('broken'), { code: 'EBROKEN' });
    if (payload === 'exit') process.exit(3);
    if (payload === 'unstorable') return { big: 1n };
    if (payload === 'hoard') for (const hoard: object[] = []; ; ) hoard.push({ text: `x${hoard.length}` });
    if (payload === 'uncaught') {
      setTimeout(() => {
        throw new Error('out of nowhere');
      }, 1);
      await new Promise(() => {});
    }
    return 'fine';
  },
});

/** Ends when it is told to, and says why. */
export const obedient = defineTask({
  type: 'obedient',
  isolate: import.meta.url,
  handler: ({ signal, progress }) =>
    new Promise((resolve) => {
      const keepAlive = setInterval(() => {}, 1_000);
      const stop = () => {
        clearInterval(keepAlive);
        const { name, message, code } = signal.reason;
        resolve({ name, message, code });
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop);
      progress(1);
    }),
});
