import type { Connection } from './connection.ts';
import { isFaults, toApiError } from './errors.ts';
import { Patience, type PatienceOptions } from './patience.ts';

/**
 * What a subscription brings, until it completes. After a cut connection it goes on by itself.
 *
 * @param variables asked for at each beginning: they say after what to go on
 * @throws ApiError as the API says (NOT_FOUND, UNAUTHENTICATED, …); UNAVAILABLE when it was away for too long
 */
export async function* subscribePatiently<Data>(
  connection: Connection,
  query: string,
  variables: () => Record<string, unknown>,
  options: PatienceOptions = {},
): AsyncGenerator<Data, void, undefined> {
  const { signal } = options;
  const patience = new Patience(options);
  for (;;) {
    signal?.throwIfAborted();
    try {
      for await (const data of subscribeOnce<Data>(connection, query, variables(), signal)) {
        patience.reset();
        yield data;
      }
      return;
    } catch (error) {
      await patience.endure(error);
    }
  }
}

/** One subscription, as long as its connection holds. */
async function* subscribeOnce<Data>(
  connection: Connection,
  query: string,
  variables: Record<string, unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Data, void, undefined> {
  const subscription = connection.subscribe<Data>(query, variables);
  // Otherwise it would be heard only with the next message.
  const stop = (): void => void subscription.return?.();
  signal?.addEventListener('abort', stop);
  try {
    for await (const { data, errors } of subscription as AsyncIterable<{ data?: Data | null; errors?: unknown }>) {
      if (isFaults(errors)) throw toApiError(errors);
      if (data) yield data;
    }
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener('abort', stop);
    await subscription.return?.();
  }
}
