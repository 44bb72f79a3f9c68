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
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** A socket is asked this often whether it lives, and given up when it does not answer within the time below. In ms. */
const PING_MS = 10_000;
const PONG_MS = 5_000;

/** One API with one set of credentials: requests over HTTP, subscriptions over one WebSocket that opens when it is needed. */
export class Connection {
  readonly #url: URL;
  readonly #credentials: Record<string, string>;
  readonly #timeoutMs: number;
  #socket: Client | undefined;

  constructor({ url, apiKey, token, timeoutMs = DEFAULT_TIMEOUT_MS }: ConnectionOptions) {
    this.#url = new URL(url);
    if (this.#url.pathname === '/') this.#url.pathname = '/graphql';
    this.#credentials = {
      ...(apiKey ? { 'X-API-Key': apiKey } : {}),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
    };
    this.#timeoutMs = timeoutMs;
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
      keepAlive: PING_MS,
      on: {
        ping: (wasReceived) => {
          if (!wasReceived) pong = setTimeout(() => client.terminate(), PONG_MS);
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
