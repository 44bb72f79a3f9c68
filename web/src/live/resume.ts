import type { Client, FormattedExecutionResult, Sink } from 'graphql-ws';

type Data = Record<string, unknown>;
type Variables = Record<string, unknown>;

/**
 * Subscriptions that can go on after the last thing seen: the variable that says after what, and where it stands in what
 * comes. Documents name the variable as the argument. All others begin with the present state.
 */
const POSITIONS: Record<string, { variable: string; field: string }> = {
  taskChanges: { variable: 'after', field: 'cursor' },
  taskEvents: { variable: 'afterSeq', field: 'seq' },
  taskLogs: { variable: 'afterId', field: 'id' },
};

/** Codes after which a subscription may come back, with the same position. */
const PASSING = new Set(['UNAVAILABLE', 'SLOW_CONSUMER', 'RATE_LIMITED']);
export const RETRY_MS = 2_000;

/** The variables with which a subscription goes on after `data`. */
const advance = (variables: Variables, data: Data | null | undefined): Variables => {
  const [name] = Object.keys(data ?? {});
  const position = name === undefined ? undefined : POSITIONS[name];
  const value = name === undefined ? undefined : data?.[name];
  if (!position || value === null || typeof value !== 'object') return variables;
  return { ...variables, [position.variable]: (value as Data)[position.field] };
};

/**
 * Subscribes so that a cut connection, or an error that passes, leaves no gap: graphql-ws sends the same payload again,
 * so the payload moves on with what has come.
 *
 * @returns what ends it
 */
export const subscribeResumably = (
  client: Client,
  { query, variables }: { query: string; variables: Variables },
  sink: Sink<FormattedExecutionResult<Data, unknown>>,
): (() => void) => {
  const payload = { query, variables };
  let stop: () => void = () => {};
  let isStopped = false;
  const begin = (): void => {
    let hasPassingFault = false;
    const tryAgainLater = (errors: unknown): boolean => {
      const waitMs = waitAfter(errors);
      if (waitMs === undefined || isStopped) return false;
      hasPassingFault = true;
      stop();
      const timer = setTimeout(begin, waitMs);
      stop = () => clearTimeout(timer);
      return true;
    };
    stop = client.subscribe<Data>(payload, {
      next: (result) => {
        if (tryAgainLater(result.errors)) return;
        payload.variables = advance(payload.variables, result.data);
        sink.next(result);
      },
      error: (error) => {
        if (!tryAgainLater(error)) sink.error(error);
      },
      complete: () => {
        if (!hasPassingFault) sink.complete();
      },
    });
  };
  begin();
  return () => {
    isStopped = true;
    stop();
  };
};

/** How long until it is worth another try, in ms. @returns undefined for an error that will not pass, and for none */
export const waitAfter = (errors: unknown): number | undefined => {
  if (!Array.isArray(errors)) return undefined;
  const extensions = errors[0]?.extensions as { code?: string; retryAfter?: number } | undefined;
  if (!PASSING.has(extensions?.code ?? '')) return undefined;
  return extensions?.retryAfter === undefined ? RETRY_MS : extensions.retryAfter * 1_000;
};
