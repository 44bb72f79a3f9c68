import type { Mailbox } from '../realtime/mailbox.ts';

/**
 * Ties a generator to the mailbox it reads from. A generator that waits for a message would answer `return()` only
 * after the next one: closing its mailbox first ends it at once.
 */
export const closing = <T, M>(changes: Mailbox<M>, source: AsyncGenerator<T>): AsyncIterableIterator<T> => ({
  async next() {
    try {
      const result = await source.next();
      if (result.done) await changes.return();
      return result;
    } catch (error) {
      await changes.return();
      throw error;
    }
  },
  async return() {
    await changes.return();
    await source.return(undefined);
    return { value: undefined, done: true };
  },
  [Symbol.asyncIterator]() {
    return this;
  },
});
