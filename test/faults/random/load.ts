import { setTimeout as delay } from 'node:timers/promises';
import { openSocket, request } from '../../../src/local/graphql-client.ts';

const SUBMIT = 'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }';
const CANCEL = 'mutation ($id: ID!) { cancelTask(id: $id) { id } }';
const CHANGES = 'subscription ($after: String) { taskChanges(after: $after) { cursor event { taskId seq status } } }';

const BATCH = 10;
/** Between two batches, and between two tries of one, in ms. */
const PAUSE_MS = 100;
/** A client gives a request up after so long, and asks again. */
const PATIENCE_MS = 5_000;

/** What of a batch: most end at once, some run for a while, fail at first, or fail for good; on both lanes. */
const inputOf = (batch: number, n: number) => ({
  idempotencyKey: `${batch}-${n}`,
  priority: n % 4 === 0 ? 'HIGH' : 'NORMAL',
  maxAttempts: 5,
  backoff: { kind: 'FIXED', delayMs: 100 },
  ...(n === 1 ? { runAt: new Date(Date.now() + 1_000).toISOString() } : {}),
  ...(n < 6
    ? { type: 'echo', payload: { batch, n } }
    : n < 8
      ? { type: 'sleep', payload: { ms: 100 } }
      : { type: 'fail', payload: { message: 'as it should', ...(n === 8 ? { untilAttempt: 2 } : {}) } }),
});

/** A client that submits and cancels through several apis, and asks again until it was told that its tasks are accepted. */
export class Submitter {
  readonly #urls: readonly string[];
  readonly #credentials: Record<string, string>;
  readonly accepted = new Set<string>();
  /** Why submissions had to be repeated: the code of a connection's error, or what else it was. */
  readonly failures = new Set<string>();
  #isStopping = false;
  #submitting: Promise<void>;

  constructor(urls: readonly string[], credentials: Record<string, string>) {
    this.#urls = urls;
    this.#credentials = credentials;
    this.#submitting = this.#submitAll();
  }

  /** Ends after the batch that is under way was accepted. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#submitting;
  }

  async #submitAll(): Promise<void> {
    for (let batch = 0; !this.#isStopping; batch++) {
      const inputs = Array.from({ length: BATCH }, (_, n) => inputOf(batch, n));
      const ids = await this.#submit(inputs);
      for (const id of ids) this.accepted.add(id);
      if (batch % 5 === 0) await this.#cancel(ids[7]);
      await delay(PAUSE_MS);
    }
  }

  async #submit(inputs: readonly object[]): Promise<string[]> {
    for (let turn = 0; ; turn++) {
      try {
        const { createTasks } = await this.#ask<{ createTasks: { id: string }[] }>(turn, SUBMIT, { inputs });
        return createTasks.map(({ id }) => id);
      } catch (error) {
        if (isRefusal(error)) throw error;
        this.failures.add(codeOf(error));
        await delay(PAUSE_MS);
      }
    }
  }

  /** Whether it succeeds is the task's affair: it may have ended. */
  async #cancel(id: string | undefined): Promise<void> {
    await this.#ask(0, CANCEL, { id }).catch(() => undefined);
  }

  #ask<T>(turn: number, query: string, variables: Record<string, unknown>): Promise<T> {
    const url = this.#urls[turn % this.#urls.length] as string;
    const timeUp = delay(PATIENCE_MS, undefined, { ref: false }).then(() => {
      throw new Error('no answer');
    });
    return Promise.race([request<T>(url, query, variables, this.#credentials), timeUp]);
  }
}

/** An answer that another try would not change: a fault of the test. */
const isRefusal = (error: unknown): boolean => /BAD_USER_INPUT|CONFLICT|UNAUTHENTICATED|FORBIDDEN/.test(String(error));

const codeOf = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(error);
};

interface Seen {
  taskChanges: { cursor: string; event: { taskId: string; seq: number; status: string } };
}

/** A subscriber of all changes, who comes back after every cut with the cursor of what was seen last, to the next api. */
export class Subscriber {
  readonly #urls: readonly string[];
  readonly #credentials: Record<string, string>;
  /** "<task> <seq> <status>", as they came. */
  readonly seen: string[] = [];
  #isStopping = false;
  #socket: ReturnType<typeof openSocket> | undefined;
  readonly #watching: Promise<void>;

  constructor(urls: readonly string[], credentials: Record<string, string>) {
    this.#urls = urls;
    this.#credentials = credentials;
    this.#watching = this.#watch();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#socket?.dispose();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    // The client sends these again after each cut that it mends by itself.
    const variables = { after: '0' };
    for (let turn = 0; !this.#isStopping; turn++) {
      this.#socket = openSocket(this.#urls[turn % this.#urls.length] as string, this.#credentials);
      try {
        for await (const { data } of this.#socket.iterate<Seen>({ query: CHANGES, variables })) {
          if (!data) continue;
          const { taskId, seq, status } = data.taskChanges.event;
          this.seen.push(`${taskId} ${seq} ${status}`);
          variables.after = data.taskChanges.cursor;
        }
      } catch {
        await delay(PAUSE_MS);
      }
      this.#socket.terminate();
    }
  }
}
