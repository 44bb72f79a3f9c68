import type { Command } from 'commander';
import { subscribePatiently } from '../client/subscription.ts';
import { addCommand } from './define.ts';
import { QUEUE_FIELDS, type QueueRow, WORKER_FIELDS, type WorkerRow } from './queues.ts';
import { online, type Session } from './session.ts';
import { renderTop } from './top-screen.ts';

const ALL = `{ queues { ${QUEUE_FIELDS} } workers { ${WORKER_FIELDS} } }`;
const QUEUE_UPDATES = `subscription ($name: String!) { queueUpdated(name: $name) { ${QUEUE_FIELDS} } }`;
const WORKER_UPDATES = `subscription { workersUpdated { ${WORKER_FIELDS} } }`;
const CHANGES = `subscription ($after: String) {
  taskChanges(after: $after) { cursor event { at status } task { id type queue } }
}`;

/** Queues of others come into being without a word: so often they are asked for. At most 120 requests an hour. */
const NEW_QUEUES_MS = 30_000;
const REDRAW_MS = 250;
const RATE_WINDOW_MS = 10_000;
const MAX_CHANGES = 200;
const ENDED = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const QUIT_KEYS = new Set(['q', 'Q', '\u0003', '\u0004']);

/** `top`: queues, workers and your tasks, live. */
export const addTopCommand = (program: Command): void => {
  const command = addCommand(
    program,
    'top',
    'Shows queues, workers and what your tasks do, live, on the whole screen; q ends it. Without a terminal, once.',
    ['taskflow top', 'taskflow top --json | jq .queues'],
  );
  online(command, async (session) => {
    const { output, url, request } = session;
    const first = await request<{ queues: QueueRow[]; workers: WorkerRow[] }>(ALL);
    if (output.isTerminal && process.stdin.isTTY) return new Top(session, first.queues, first.workers).run();
    output.json({ url, ...first });
    const state = { ...first, url, changes: [], endedPerSecond: 0, isConnected: true };
    for (const line of renderTop(state, Number.POSITIVE_INFINITY, 100)) output.line(line);
  });
};

/** The live view: subscriptions change the state, and it is drawn four times a second, at most. */
class Top {
  readonly #session: Session;
  readonly #queues: Map<string, QueueRow>;
  readonly #end = new AbortController();
  readonly #signal: AbortSignal;
  #workers: readonly WorkerRow[];
  readonly #changes: { at: string; status: string; type: string; id: string }[] = [];
  #endedAt: number[] = [];
  #fault: unknown;
  #isConnected = true;

  constructor(session: Session, queues: readonly QueueRow[], workers: readonly WorkerRow[]) {
    this.#session = session;
    this.#workers = workers;
    this.#queues = new Map(queues.map((queue) => [queue.name, queue]));
    this.#signal = AbortSignal.any([session.signal, this.#end.signal]);
  }

  /** Runs until a key, or a fault that waiting does not mend. The terminal is as before afterwards. */
  async run(): Promise<void> {
    const { stdin, stdout } = process;
    const onKeys = (keys: string): void => {
      if ([...keys].some((key) => QUIT_KEYS.has(key))) this.#end.abort();
    };
    const draw = (): void => this.#draw();
    const ended = new Promise((resolve) => this.#signal.addEventListener('abort', resolve, { once: true }));
    stdout.write(ENTER);
    stdin.setRawMode(true).setEncoding('utf8').on('data', onKeys).resume();
    stdout.on('resize', draw);
    const timers = [setInterval(draw, REDRAW_MS), setInterval(() => void this.#findQueues(), NEW_QUEUES_MS)];
    try {
      for (const name of this.#queues.keys()) this.#watchQueue(name);
      this.#follow<{ workersUpdated: WorkerRow[] }>(
        WORKER_UPDATES,
        () => ({}),
        ({ workersUpdated }) => {
          this.#workers = workersUpdated;
        },
      );
      this.#watchTasks();
      draw();
      await ended;
    } finally {
      for (const timer of timers) clearInterval(timer);
      stdout.off('resize', draw);
      stdin.off('data', onKeys).setRawMode(false).pause();
      stdout.write(LEAVE);
    }
    if (this.#fault) throw this.#fault;
    this.#session.signal.throwIfAborted();
  }

  #draw(): void {
    const now = Date.now();
    this.#endedAt = this.#endedAt.filter((at) => at > now - RATE_WINDOW_MS);
    const { columns, rows } = process.stdout;
    const lines = renderTop(
      {
        url: this.#session.url,
        queues: [...this.#queues.values()],
        workers: this.#workers,
        changes: this.#changes,
        endedPerSecond: this.#endedAt.length / (RATE_WINDOW_MS / 1_000),
        isConnected: this.#isConnected,
      },
      columns,
      rows,
    );
    process.stdout.write(`${HOME}${lines.join(`${CLEAR_LINE}\n`)}${CLEAR_LINE}`);
  }

  #watchQueue(name: string): void {
    this.#follow<{ queueUpdated: QueueRow }>(
      QUEUE_UPDATES,
      () => ({ name }),
      ({ queueUpdated }) => {
        this.#queues.set(name, queueUpdated);
      },
    );
  }

  #watchTasks(): void {
    let after: string | null = null;
    this.#follow<{
      taskChanges: {
        cursor: string;
        event: { at: string; status: string };
        task: { id: string; type: string; queue: string };
      };
    }>(
      CHANGES,
      () => ({ after }),
      ({ taskChanges: { cursor, event, task } }) => {
        after = cursor;
        this.#changes.push({ ...event, id: task.id, type: task.type });
        if (this.#changes.length > MAX_CHANGES) this.#changes.shift();
        if (ENDED.has(event.status)) this.#endedAt.push(Date.parse(event.at));
        if (!this.#queues.has(task.queue)) void this.#findQueues();
      },
    );
  }

  async #findQueues(): Promise<void> {
    try {
      const { queues } = await this.#session.request<{ queues: QueueRow[] }>(ALL);
      this.#isConnected = true;
      for (const queue of queues) {
        if (this.#queues.has(queue.name)) continue;
        this.#queues.set(queue.name, queue);
        this.#watchQueue(queue.name);
      }
    } catch {
      // The next time tells; subscriptions end the view when the API stays away.
      this.#isConnected = false;
    }
  }

  /** Runs a subscription on the side; its end by a fault ends the view. */
  #follow<Data>(query: string, variables: () => Record<string, unknown>, take: (data: Data) => void): void {
    const follow = async (): Promise<void> => {
      const messages = subscribePatiently<Data>(this.#session.connection, query, variables, { signal: this.#signal });
      for await (const data of messages) {
        this.#isConnected = true;
        take(data);
      }
    };
    follow().catch((error: unknown) => {
      if (this.#signal.aborted) return;
      this.#fault = error;
      this.#end.abort();
    });
  }
}
