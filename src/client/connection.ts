import { type Client, createClient } from 'graphql-ws';
import { ApiError, isFaults, toApiError } from './errors.ts';

export interface ConnectionOptions {
  /** Of the API: `https://tasks.example.com`, with or without /graphql. */
  url: string | URL;
  /** An API key, tf_…; or else `token`. */
  apiKey?: string | undefined;
  /** Of a login. */
  token?: string | undefined;
  /** How long one request may take, in ms. Default: 30,000. */
  timeoutMs?: number | undefined;
  /**
   * How often a socket is asked whether it lives, in ms. One that does not answer within half of it is given up, and what is
   * watched goes on over another. Default: 10,000.
   */
  keepAliveMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_KEEP_ALIVE_MS = 10_000;

/** One API with one set of credentials: requests over HTTP, subscriptions over one WebSocket that opens when it is needed. */
export class Connection {
  readonly #url: URL;
  readonly #credentials: Record<string, string>;
  readonly #timeoutMs: number;
  readonly #keepAliveMs: number;
  #socket: Client | undefined;

  constructor(options: ConnectionOptions) {
    const { url, apiKey, token } = options;
    this.#url = new URL(url);
    if (this.#url.pathname === '/') this.#url.pathname = '/graphql';
    this.#credentials = {
      ...(apiKey ? { 'X-API-Key': apiKey } : {}),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
    };
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#keepAliveMs = options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
  }

  /** @throws ApiError as the API says; UNAVAILABLE when it cannot be reached or does not answer in time */
  async request<Data>(query: string, variables: Record<string, unknown>, signal?: AbortSignal): Promise<Data> {
    const inTime = AbortSignal.timeout(this.#timeoutMs);
    let answer: { data?: Data | null; errors?: unknown };
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json', ...this.#credentials },
        body: JSON.stringify({ query, variables }),
        signal: signal ? AbortSignal.any([signal, inTime]) : inTime,
      });
      answer = (await response.json()) as typeof answer;
    } catch (cause) {
      signal?.throwIfAborted();
      throw new ApiError(`the API at ${this.#url.origin} gave no answer`, { code: 'UNAVAILABLE' }, { cause });
    }
    if (isFaults(answer.errors)) throw toApiError(answer.errors);
    if (!answer.data) throw new ApiError(`${this.#url.origin} is no TaskFlow`, { code: 'UNAVAILABLE' });
    return answer.data;
  }

  /**
   * Subscribes once. A connection that is lost ends it.
   *
   * @throws what graphql-ws throws: a list of the API's errors, or the event that closed the socket
   */
  subscribe<Data>(query: string, variables: Record<string, unknown>): AsyncIterableIterator<{ data?: Data | null }> {
    this.#socket ??= this.#openSocket();
    return this.#socket.iterate({ query, variables }) as AsyncIterableIterator<{ data?: Data | null }>;
  }

  async close(): Promise<void> {
    await this.#socket?.dispose();
    this.#socket = undefined;
  }

  #openSocket(): Client {
    const url = new URL(this.#url);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    let pong: NodeJS.Timeout | undefined;
    const client = createClient({
      url: url.href,
      connectionParams: this.#credentials,
      // Whoever subscribes begins again from where it was; the library would begin from the beginning.
      retryAttempts: 0,
      keepAlive: this.#keepAliveMs,
      connectionAckWaitTimeout: this.#keepAliveMs,
      on: {
        ping: (wasReceived) => {
          if (!wasReceived) pong = setTimeout(() => client.terminate(), this.#keepAliveMs / 2);
        },
        pong: (wasReceived) => {
          if (wasReceived) clearTimeout(pong);
        },
        closed: () => clearTimeout(pong),
      },
    });
    return client;
  }
}
