import type { System } from './system.ts';

const CHANGES = 'subscription ($after: String!) { taskChanges(after: $after) { event { taskId seq } } }';

interface Changes {
  taskChanges: { event: { taskId: string; seq: number } };
}

/** What a subscriber of all of the user's changes sees. Its socket goes with the test, also with one that failed before. */
export interface WatchedChanges extends AsyncDisposable {
  /** "task seq" each, in order, so far. @throws what ended the subscription, where something did */
  seen(): readonly string[];
  /** Ends the subscription. @throws as `seen` */
  end(): Promise<void>;
}

/**
 * Use as `await using watched = watchChanges(system)`, and `await watched.end()` when all was seen.
 *
 * @param after a position of the feed. Default: from the beginning
 */
export const watchChanges = (system: System, after = '0'): WatchedChanges => {
  const socket = system.socket();
  const seen: string[] = [];
  let failure: { reason: unknown } | undefined;
  const throwFailure = (): void => {
    if (failure)
      throw new Error(`the subscription failed: ${describeFailure(failure.reason)}`, { cause: failure.reason });
  };
  const watching = (async () => {
    try {
      for await (const { data, errors } of socket.iterate<Changes>({ query: CHANGES, variables: { after } })) {
        if (!data) throw new Error(JSON.stringify(errors));
        seen.push(`${data.taskChanges.event.taskId} ${data.taskChanges.event.seq}`);
      }
    } catch (reason) {
      // Kept for the test: nobody may be waiting now, and an api that goes away with a failed test is no further failure.
      failure = { reason };
    }
  })();
  const close = async (): Promise<void> => {
    await socket.dispose();
    await watching;
  };
  return {
    seen: () => {
      throwFailure();
      return seen;
    },
    end: async () => {
      await close();
      throwFailure();
    },
    [Symbol.asyncDispose]: close,
  };
};

/** Sockets fail with events, of which a message shows nothing by itself. */
const describeFailure = (reason: unknown): string => {
  if (reason instanceof Error) return reason.message;
  const { type, code, message } = reason as { type?: string; code?: number; message?: string };
  return [type, code, message].filter(Boolean).join(' ') || JSON.stringify(reason);
};
