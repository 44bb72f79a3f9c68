import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Logger } from 'pino';
import type { Piscina } from 'piscina';
import type { Attempt } from './attempt.ts';
import { traceBindings } from './attempt-context.ts';
import type { Deadlines } from './deadlines.ts';
import type { TaskDefinition } from './define-task.ts';
import type { IsolatedRun, StopMessage, ThreadMessage } from './isolation-protocol.ts';
import { EncodedResult } from './json-result.ts';
import { ThreadOutcome } from './outcome.ts';
import type { SideReporter } from './side-reporter.ts';

export interface IsolationOptions {
  /** Threads, at most. Default: as many as the processors allow. */
  threads?: number | undefined;
  /** Heap of one thread, in MB: one that needs more is ended, and its attempt fails. Default: 512. */
  threadMemoryMb?: number | undefined;
  deadlines: Pick<Deadlines, 'watch' | 'forget'>;
  side: SideReporter;
  logger: Logger;
}

/** How long an isolated handler may take to end once it was told to; then its thread is killed. In ms. */
const KILL_AFTER_MS = 1_000;
/** An idle thread holds some 10 MB. In ms. */
const IDLE_MS = 30_000;
const THREAD_MEMORY_MB = 512;

/**
 * Runs handlers in threads, one at a time in each. A handler that was told to stop and does not, or whose attempt is given up,
 * is killed with its thread; a thread that crashes fails its attempt and no other.
 */
export class Isolation {
  readonly #options: IsolationOptions;
  #pool: Promise<Piscina<IsolatedRun, void>> | undefined;

  constructor(options: IsolationOptions) {
    this.#options = options;
  }

  /**
   * Waits for a thread and runs the attempt in it. Its `timeoutMs` counts from then on.
   *
   * @throws ThreadOutcome when the handler threw; the reason of the attempt's signal when the thread was killed; Error when it
   *   crashed
   */
  async run(attempt: Attempt, definition: TaskDefinition): Promise<EncodedResult> {
    const { port1: port, port2 } = new MessageChannel();
    const killer = new AbortController();
    const ended = this.#listen(attempt, port);
    const leash = keepOnLeash(attempt, port, killer);
    try {
      const run = { ...this.#describe(attempt, definition), port: port2 };
      this.#pool ??= this.#open();
      await (await this.#pool).run(run, { transferList: [port2], signal: killer.signal });
      return await ended;
    } catch (error) {
      throw killer.signal.aborted ? attempt.signal.reason : error;
    } finally {
      leash.release();
      port.close();
      this.#options.deadlines.forget(attempt);
    }
  }

  /** Kills what still runs. */
  async close(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  async #open(): Promise<Piscina<IsolatedRun, void>> {
    // Loaded when it is first needed: most workers have no isolated tasks.
    const { Piscina } = await import('piscina');
    return new Piscina({
      // .ts here, .js in what is built.
      filename: new URL(`isolated-thread${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: 0,
      maxThreads: this.#options.threads ?? availableParallelism(),
      idleTimeout: IDLE_MS,
      // A handler's timers go on as they do elsewhere.
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: this.#options.threadMemoryMb ?? THREAD_MEMORY_MB },
    });
  }

  #describe({ claim, traceparent }: Attempt, { isolate }: TaskDefinition): Omit<IsolatedRun, 'port'> {
    const { id: taskId, type, attempt, maxAttempts, ownerId, queue, payload, parents } = claim;
    const { level: logLevel } = this.#options.logger;
    const about = { taskId, type, attempt, maxAttempts, ownerId, queue, payload, parents, traceparent, logLevel };
    return { ...about, module: String(isolate) };
  }

  /** Passes on what the thread says. @returns its result, or throws as its handler did */
  #listen(attempt: Attempt, port: MessagePort): Promise<EncodedResult> {
    const { deadlines, side, logger } = this.#options;
    const { id: taskId, type, attempt: number, timeoutMs, traceparent } = attempt.claim;
    const bindings = { taskId, type, attempt: number, ...traceBindings(traceparent) };
    const { promise, resolve, reject } = Promise.withResolvers<EncodedResult>();
    port.on('message', (message: ThreadMessage) => {
      if (message.kind === 'progress') side.progress(attempt, message.percent, message.detail);
      else if (message.kind === 'log') side.log(attempt, message.level, message.message, message.fields);
      else if (message.kind === 'line') passOn(message.line, logger, bindings);
      else if (message.kind === 'returned') resolve(new EncodedResult(message.result));
      else if (message.kind === 'thrown') reject(new ThreadOutcome(message.outcome));
      else if (timeoutMs !== undefined) deadlines.watch(attempt, timeoutMs);
    });
    // A thread that is killed after it threw leaves nobody who waits.
    promise.catch(() => undefined);
    return promise;
  }
}

/** Tells the thread to stop when the attempt's signal does, and kills it when it does not, or when the attempt is given up. */
const keepOnLeash = (attempt: Attempt, port: MessagePort, killer: AbortController): { release(): void } => {
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const kill = (): void => {
    if (!isOver) killer.abort();
  };
  const stop = (): void => {
    port.postMessage(toStop(attempt.signal.reason));
    timer = setTimeout(kill, KILL_AFTER_MS);
  };
  if (attempt.signal.aborted) stop();
  else attempt.signal.addEventListener('abort', stop);
  // Whoever gave it up needs the slot, and another worker may run the task already.
  void attempt.outcome.then(kill);
  return {
    release: () => {
      isOver = true;
      clearTimeout(timer);
      attempt.signal.removeEventListener('abort', stop);
    },
  };
};

/** Writes a line of the thread's log as if it were written here. */
const passOn = (line: string, logger: Logger, bindings: object): void => {
  const { level, msg, time: _time, pid: _pid, hostname: _hostname, ...fields } = JSON.parse(line);
  const name = logger.levels.labels[level] as 'info' | undefined;
  logger[name ?? 'info']({ ...bindings, ...fields }, msg);
};

const toStop = (reason: unknown): StopMessage => {
  const { name, message, code, cause } = reason as Error & { code?: string };
  return { name, message, code, cause };
};
