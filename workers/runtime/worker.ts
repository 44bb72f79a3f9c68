import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import packageJson from '../../package.json' with { type: 'json' };
import type { Claim } from '../../src/broker/calls.ts';
import type { Broker, Lane, Shard } from '../../src/broker/lanes.ts';
import { SERIALIZERS } from '../../src/logger.ts';
import { within } from '../../src/within.ts';
import { Attempt, WorkerStoppingError } from './attempt.ts';
import { ClaimLoop } from './claim-loop.ts';
import { ControlListener } from './control-listener.ts';
import { Deadlines } from './deadlines.ts';
import type { TaskDefinition } from './define-task.ts';
import { type ExecutorOptions, execute } from './executor.ts';
import { Heartbeat } from './heartbeat.ts';
import { Isolation } from './isolation.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { groupQueues, type QueueGroup } from './queue-limits.ts';
import { Reporter } from './reporter.ts';
import { SideReporter } from './side-reporter.ts';
import { Slots } from './slots.ts';

export interface WorkerOptions {
  /** Stays open when the worker stops: the caller closes it. */
  broker: Broker;
  tasks: readonly TaskDefinition[];
  /** Queues to serve; "*" for all. */
  queues: readonly string[];
  /** Of these, how many tasks run at once of a queue, by its name. Default: as many as of all together. */
  queueLimits?: Readonly<Record<string, number>>;
  /** How many tasks run at once. */
  concurrency: number;
  /** How long the worker may be silent before its tasks are given to another, in ms. */
  leaseMs: number;
  heartbeatIntervalMs: number;
  /** Largest result, in bytes of JSON. */
  maxResultBytes: number;
  /** In which isolated tasks run, at most. Default: as many as the processors allow. */
  threads?: number | undefined;
  /** Heap of one of these threads, in MB. Default: 512. */
  threadMemoryMb?: number | undefined;
  logger: Logger;
}

export interface StopOptions {
  /** How long running tasks may go on, in ms. */
  graceMs: number;
}

/** How long handlers may take to end once they are told to stop at a shutdown, so that two runs do not overlap. In ms. */
const ABORT_GRACE_MS = 500;
/** How long a shutdown waits for Redis to take the last outcomes. What it does not take is run again. In ms. */
const FLUSH_MS = 3_000;
/** What setTimeout takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Runs tasks until it is stopped. Needs Redis only, and waits for it wherever it is away. */
export class Worker {
  readonly id: string;
  readonly #options: WorkerOptions;
  readonly #slots: Slots;
  readonly #deadlines = new Deadlines();
  readonly #reporter: Reporter;
  readonly #side: SideReporter;
  readonly #isolation: Isolation;
  readonly #controls: ControlListener[];
  readonly #keepers: LeaseKeeper[];
  readonly #heartbeats: Heartbeat[];
  readonly #claimLoops: ClaimLoop[];
  readonly #graceOver = Promise.withResolvers<void>();
  readonly #executor: ExecutorOptions;
  readonly #startedAt = new Date();
  readonly #logger: Logger;
  /** Attempts since the start, by how they ended. */
  readonly #ended = { completed: 0, retried: 0, failed: 0, released: 0, lost: 0 };
  #stopping: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    const { broker, leaseMs, maxResultBytes } = options;
    this.id = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
    this.#options = options;
    // The program's own logger may write out whatever hangs on an error.
    this.#logger = options.logger.child({ workerId: this.id }, { serializers: SERIALIZERS });
    const logger = this.#logger;
    const slots = new Slots(options.concurrency);
    this.#slots = slots;
    this.#side = new SideReporter(logger);
    this.#reporter = new Reporter({ workerId: this.id, slots, logger, onStep: () => this.#claim() });
    const { threads, threadMemoryMb } = options;
    const running = { deadlines: this.#deadlines, side: this.#side, logger };
    this.#isolation = new Isolation({ threads, threadMemoryMb, ...running });
    this.#executor = {
      workerId: this.id,
      tasks: byType(options.tasks),
      ...running,
      maxResultBytes,
      isolation: this.#isolation,
      report: (attempt, report, end) => {
        this.#ended[end]++;
        this.#side.flush(attempt);
        this.#reporter.report(attempt, report);
      },
    };
    this.#keepers = broker.shards.map((shard) => new LeaseKeeper({ shard, slots, leaseMs, logger }));
    this.#controls = broker.lanes.map((lane) => this.#openControl(lane));
    this.#heartbeats = broker.lanes.map((lane) => this.#openHeartbeat(lane));
    this.#claimLoops = groupQueues(options.queues, options.queueLimits ?? {}, slots).map((group) =>
      this.#openClaimLoop(group),
    );
    this.#logger.info({ queues: options.queues, concurrency: options.concurrency }, 'worker started');
  }

  /** How many tasks it holds: running, or ended and not yet reported. */
  get running(): number {
    return this.#slots.taken;
  }

  /**
   * Claims no more, lets running tasks finish within the grace period, then tells the rest to stop and hands them back
   * without using up an attempt. Never throws; calling it again may shorten the grace period, and waits as well.
   */
  async stop({ graceMs }: StopOptions): Promise<void> {
    const timer = setTimeout(this.#graceOver.resolve, Math.min(graceMs, LONGEST_TIMER_MS));
    this.#logger.info({ running: this.running, graceMs }, 'worker stops');
    this.#stopping ??= this.#stop();
    await this.#stopping;
    clearTimeout(timer);
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#claimLoops.map((loop) => loop.stop()));
    const isDrained = this.#slots.drained().then(() => true);
    if (!(await Promise.race([isDrained, this.#graceOver.promise.then(() => false)]))) await this.#handBack();
    await this.#isolation.close();
    for (const keeper of this.#keepers) keeper.stop();
    for (const control of this.#controls) control.close();
    this.#deadlines.stop();
    this.#side.close();
    this.#reporter.close();
    await Promise.all(this.#heartbeats.map((heartbeat) => heartbeat.stop()));
    this.#logger.info({ unreported: this.running }, 'worker stopped');
  }

  async #handBack(): Promise<void> {
    for (const attempt of this.#slots.all()) attempt.abort(new WorkerStoppingError());
    await within(ABORT_GRACE_MS, this.#slots.drained());
    for (const attempt of this.#slots.all()) attempt.settle({ kind: 'released' });
    await within(FLUSH_MS, this.#slots.drained());
  }

  #accept(shard: Shard, claims: readonly Claim[]): void {
    for (const claim of claims) {
      const attempt = new Attempt(claim, shard);
      this.#slots.take(attempt);
      if (this.#stopping) this.#reporter.report(attempt, { kind: 'release' });
      // After this turn, so that the next claim is on its way before handlers use the processor.
      else queueMicrotask(() => void execute(attempt, this.#executor));
    }
  }

  /** Lets the loops claim, each time another one first: those that come later find what is left. */
  #claim(): void {
    const [first] = this.#claimLoops.splice(0, 1);
    if (first) this.#claimLoops.push(first);
    for (const loop of this.#claimLoops) loop.wake();
  }

  #openClaimLoop({ queues, slots }: QueueGroup): ClaimLoop {
    const { broker, leaseMs, tasks } = this.#options;
    return new ClaimLoop({
      broker,
      workerId: this.id,
      queues,
      types: tasks.map(({ type }) => type),
      leaseMs,
      slots,
      isFreeingSlots: () => this.#reporter.isBusy,
      accept: (shard, claims) => this.#accept(shard, claims),
      onClaimed: () => this.#claim(),
      onRecovered: (shard) => this.#heartbeats.find(({ lane }) => lane === shard.lane)?.beat(),
      logger: this.#logger,
    });
  }

  #openControl(lane: Lane): ControlListener {
    return new ControlListener({
      lane,
      workerId: this.id,
      slots: this.#slots,
      onGap: () => {
        // Extending the leases also tells which tasks are to stop.
        for (const keeper of this.#keepers) if (keeper.shard.lane === lane) keeper.extend().catch(() => undefined);
      },
      logger: this.#logger,
    });
  }

  #openHeartbeat(lane: Lane): Heartbeat {
    const { heartbeatIntervalMs: intervalMs, tasks } = this.#options;
    return new Heartbeat({
      lane,
      workerId: this.id,
      intervalMs,
      tasks,
      describe: () => this.#describe(),
      logger: this.#logger,
    });
  }

  #describe(): string {
    const { queues, concurrency, tasks } = this.#options;
    return JSON.stringify({
      language: 'typescript',
      host: hostname(),
      pid: process.pid,
      version: packageJson.version,
      queues,
      concurrency,
      running: this.running,
      attempts: this.#ended,
      types: tasks.map(({ type }) => type),
      startedAt: this.#startedAt,
    });
  }
}

const byType = (tasks: readonly TaskDefinition[]): Map<string, TaskDefinition> => {
  const types = new Map(tasks.map((task) => [task.type, task]));
  if (types.size === 0) throw new Error('a worker needs at least one task type');
  if (types.size < tasks.length) throw new Error('a task type is defined twice');
  const lost = tasks.find(({ isolate }) => isolate === true);
  if (lost)
    throw new Error(`nobody says which module a thread finds ${lost.type} in: give it isolate: import.meta.url`);
  return types;
};

/**
 * Starts a worker. It returns at once, and connects, claims and runs by itself from then on.
 *
 * @throws Error when there are no task types, or two of the same name
 */
export const startWorker = (options: WorkerOptions): Worker => new Worker(options);
