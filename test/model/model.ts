import { byId, LANES, type LaneName, type ModelAttempt, type ModelTask } from './model-task.ts';

/** A batch in PostgreSQL of which it is not known that Redis has it. */
interface OutboxRow {
  lane: LaneName;
  tasks: readonly ModelTask[];
  seq: number;
  /** The shard's epoch when it was written. */
  epoch: number;
}

/** A batch on its way from a submitter to Redis, with the epoch that was known before it was written. */
interface HandOver {
  lane: LaneName;
  tasks: readonly ModelTask[];
  rows: readonly OutboxRow[];
  known: number | undefined;
}

interface ModelShard {
  epoch: number;
  /** The epoch that submitters know; undefined where they found none. */
  known: number | undefined;
  /** Without its data, or only without the key that says that it has them; then a new leader rebuilds it. */
  lost: 'all' | 'meta' | undefined;
  /** Of each line the tasks that wait in it; the first is next. */
  lines: Map<string, ModelTask[]>;
  paused: Set<string>;
}

export interface ClaimWish {
  worker: string;
  limit: number;
  queues: string;
  types: string;
  lowFirst: 0 | 1;
}

const newShard = (): ModelShard => ({ epoch: 1, known: 1, lost: undefined, lines: new Map(), paused: new Set() });

/** What TaskFlow must do, in plain TypeScript: it shares nothing with the Lua functions and the SQL. */
export class Model {
  readonly tasks: ModelTask[] = [];
  /** All that were ever given out. */
  readonly attempts: ModelAttempt[] = [];
  readonly shards: Record<LaneName, ModelShard> = { high: newShard(), low: newShard() };
  /** As PostgreSQL has it. */
  readonly paused = new Set<string>();
  outbox: OutboxRow[] = [];
  /** Of each submitter that has stopped after its commit, what it has not told Redis. */
  readonly stalled: HandOver[][] = [];

  tasksOf(lane: LaneName): ModelTask[] {
    return this.tasks.filter((task) => task.lane === lane);
  }

  /** @param isHandedOver whether the submitter tells Redis at once, or stops after its commit */
  submit(tasks: readonly ModelTask[], isHandedOver: boolean): void {
    this.tasks.push(...tasks);
    const batches = this.#write(tasks, (batch) => [batch]);
    if (isHandedOver) for (const batch of batches) this.#handOver(batch);
    else this.stalled.push(batches);
  }

  /** A submitter that had stopped goes on. */
  resume(index: number): void {
    for (const batch of this.stalled.splice(index, 1).flat()) this.#handOver(batch);
  }

  /** The tasks that a claim may give, best first; between lines of one priority the order is open. */
  claimable(lane: LaneName, wish: ClaimWish): ModelTask[][][] {
    const { lines, paused } = this.shards[lane];
    const serves = ({ spec: { queue, type } }: ModelTask): boolean =>
      (wish.queues === '*' || wish.queues === queue) && wish.types.split(',').includes(type) && !paused.has(queue);
    const priorities = wish.lowFirst === 1 ? ['LOW', 'NORMAL', 'HIGH'] : ['HIGH', 'NORMAL', 'LOW'];
    return priorities.map((priority) =>
      [...lines.values()].filter(([first]) => first?.spec.priority === priority && serves(first)),
    );
  }

  claimed(task: ModelTask, token: string, worker: string): void {
    this.#leaveLine(task);
    task.move('PROCESSING', worker, null, task.last.attempt + 1);
    task.holder = { task, token, worker };
    this.attempts.push(task.holder);
  }

  /** A worker's report. @returns whether its lease was lost: then nothing happens */
  report(attempt: ModelAttempt, end: (task: ModelTask, worker: string) => void): boolean {
    const { task, worker } = attempt;
    if (task.holder !== attempt) return true;
    if (task.stopReason) task.move('CANCELLED', worker, task.stopReason);
    else end(task, worker);
    return false;
  }

  complete(attempt: ModelAttempt, result: unknown): boolean {
    return this.report(attempt, (task, worker) => task.move('COMPLETED', worker, result));
  }

  fail(attempt: ModelAttempt, error: unknown, mayRetry: boolean): boolean {
    return this.report(attempt, (task, worker) => {
      const isRetried = mayRetry && task.last.attempt < task.spec.maxAttempts;
      task.move(isRetried ? 'SCHEDULED' : 'FAILED', worker, error);
    });
  }

  release(attempt: ModelAttempt): boolean {
    return this.report(attempt, (task, worker) => {
      task.move('QUEUED', worker, { reason: 'RELEASED' }, task.last.attempt - 1);
      this.#enterLine(task, 'front');
    });
  }

  cancel(task: ModelTask, reason: unknown): { state: string; seq: number | undefined } {
    if (!task.isLive) return { state: 'UNKNOWN', seq: undefined };
    if (!task.holder) {
      this.#leaveLine(task);
      task.move('CANCELLED', '', reason);
      return { state: 'CANCELLED', seq: task.seq };
    }
    if (!task.stopReason) {
      task.move('PROCESSING', task.holder.worker, reason);
      task.stopReason = reason;
    }
    return { state: 'STOPPING', seq: task.seq };
  }

  /** The lease of a running task expires, or its time to stop is over, and the reaper comes. */
  takeBack(task: ModelTask, leaseExpired: { message: string; code: string }): void {
    const worker = task.holder?.worker ?? '';
    if (task.stopReason) {
      task.move('CANCELLED', worker, task.stopReason);
    } else if (task.last.attempt >= task.spec.maxAttempts) {
      task.move('FAILED', worker, leaseExpired);
    } else {
      task.move('QUEUED', worker, { reason: 'LEASE_EXPIRED' });
      this.#enterLine(task, 'front');
    }
  }

  promote(task: ModelTask): void {
    task.move('QUEUED', '', null);
    this.#enterLine(task, 'back');
  }

  /** @returns how many tasks it has ended: those that wait in the queue, and are not newer than `before` */
  purge(lane: LaneName, queue: string, before: string, reason: unknown): number {
    const waits = ({ isLive, holder, spec, id }: ModelTask): boolean =>
      isLive && !holder && spec.queue === queue && id <= before;
    const tasks = this.tasksOf(lane).filter(waits);
    for (const task of tasks) this.cancel(task, reason);
    return tasks.length;
  }

  setPaused(queue: string, isPaused: boolean): void {
    const sets = [this.paused, ...Object.values(this.shards).flatMap(({ lost, paused }) => (lost ? [] : [paused]))];
    for (const set of sets) isPaused ? set.add(queue) : set.delete(queue);
  }

  /** What the stream holds reaches PostgreSQL. */
  record(lane: LaneName): void {
    for (const task of this.tasksOf(lane)) task.recorded = task.seq;
  }

  /** Can it be put back by hand? Only what PostgreSQL knows to have ended so. */
  isRetriable(task: ModelTask): boolean {
    return task.recorded === task.seq && (task.status === 'FAILED' || task.status === 'CANCELLED');
  }

  /** @param tasks in the order in which they were put back */
  retry(tasks: readonly ModelTask[]): void {
    for (const task of tasks) {
      task.move('QUEUED', '', { reason: 'RETRIED' }, 0);
      task.recorded = task.seq;
    }
    for (const batch of this.#write(tasks, (each) => each.map((task) => [task]))) this.#handOver(batch);
  }

  refreshEpochs(): void {
    for (const shard of Object.values(this.shards)) shard.known = shard.lost ? undefined : shard.epoch;
  }

  /** FLUSHALL: both lanes are on one server. */
  loseBroker(): void {
    for (const shard of Object.values(this.shards)) {
      shard.lost = 'all';
      shard.lines.clear();
    }
    for (const task of this.tasks) task.loseBroker();
  }

  /** A leader takes over. @returns whether it had to rebuild the shard */
  lead(lane: LaneName): boolean {
    const shard = this.shards[lane];
    const { lost } = shard;
    shard.paused = new Set(this.paused);
    shard.lost = undefined;
    shard.epoch += lost ? 2 : 1;
    if (!lost) return false;
    // The stream outlives the key; of FLUSHALL nothing is left to record.
    this.record(lane);
    shard.lines.clear();
    for (const task of this.tasksOf(lane).sort(byId)) this.#restore(task);
    return true;
  }

  /** Looks for forgotten submissions. @returns how many were put in */
  reconcile(lane: LaneName): number {
    const shard = this.shards[lane];
    shard.paused = new Set(this.paused);
    const rows = this.outbox.filter((row) => row.lane === lane);
    if (rows.length === 0) return 0;
    const before = shard.epoch++;
    const allowed = rows.filter(({ epoch }) => epoch < before);
    this.outbox = this.outbox.filter((row) => !allowed.includes(row));
    const absent = allowed.flatMap(({ tasks, seq }) => tasks.filter((task) => isUntouched(task, seq)));
    for (const task of absent.sort(byId)) this.#restore(task);
    return absent.length;
  }

  #restore(task: ModelTask): void {
    const { data } = task.last;
    task.holder = undefined;
    task.stopReason = undefined;
    task.isLive = !task.hasEnded;
    if (task.hasEnded || task.status === 'SCHEDULED') return;
    // With data, it is the event that says that it was told to stop.
    if (task.status === 'PROCESSING' && data) task.move('CANCELLED', '', data);
    else if (task.status === 'PROCESSING') task.move('QUEUED', '', { reason: 'BROKER_LOST' });
    if (!task.hasEnded) this.#enterLine(task, 'back');
  }

  /** @param rowsOf a batch's outbox rows */
  #write(tasks: readonly ModelTask[], rowsOf: (batch: ModelTask[]) => ModelTask[][]): HandOver[] {
    return LANES.flatMap((lane) => {
      const batch = tasks.filter((task) => task.lane === lane);
      if (batch.length === 0) return [];
      const { known, epoch } = this.shards[lane];
      const rows = rowsOf(batch).map((row) => ({ lane, tasks: row, seq: row[0]?.seq ?? 1, epoch }));
      this.outbox.push(...rows);
      return { lane, tasks: batch, rows, known };
    });
  }

  /** Redis takes what was written in its epoch, and of what was written before, where the epoch before was known. */
  #handOver({ lane, tasks, rows, known }: HandOver): void {
    const shard = this.shards[lane];
    if (shard.lost) return;
    const isFresh = known !== undefined && known >= shard.epoch - 1;
    // Who is refused, or knew none, learns it.
    if (!isFresh) shard.known = shard.epoch;
    const isOfThisEpoch = rows[0]?.epoch === shard.epoch && this.outbox.includes(rows[0]);
    if (!isFresh && !isOfThisEpoch) return;
    for (const task of tasks) {
      if (task.isLive) continue;
      if (task.hasEnded) throw new Error(`${task.id} has ended and would be put back`);
      this.#enter(task);
    }
    this.outbox = this.outbox.filter((row) => !rows.includes(row));
  }

  #enter(task: ModelTask): void {
    task.isLive = true;
    if (task.status === 'QUEUED') this.#enterLine(task, 'back');
  }

  #enterLine(task: ModelTask, end: 'front' | 'back'): void {
    const { lines } = this.shards[task.lane];
    const line = lines.get(task.line) ?? [];
    lines.set(task.line, end === 'front' ? [task, ...line] : [...line, task]);
  }

  #leaveLine(task: ModelTask): void {
    const { lines } = this.shards[task.lane];
    const line = (lines.get(task.line) ?? []).filter((other) => other !== task);
    if (line.length > 0) lines.set(task.line, line);
    else lines.delete(task.line);
  }
}

const isUntouched = (task: ModelTask, seq: number): boolean =>
  !task.isLive && task.seq === seq && task.recorded === seq && !task.hasEnded;
