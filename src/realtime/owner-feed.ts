import { TaskFlowError } from '../errors.ts';
import type { Change, SideMessage } from './change.ts';
import { Mailbox } from './mailbox.ts';

/** Reads an owner's committed changes from PostgreSQL: those with position > `after`, in order, at most `limit`. */
export type ReadChanges = (ownerId: string, after: number, limit: number) => Promise<Change[]>;

export interface FeedOptions {
  readChanges: ReadChanges;
  /** The owner's last position in PostgreSQL, also where its event was deleted since. */
  readPosition: (ownerId: string) => Promise<number>;
  /** Messages that may wait for one subscriber. */
  subscriberBuffer: number;
  onError: (error: unknown) => void;
}

const PAGE = 1_000;
/** How long a missing position is waited for before PostgreSQL is asked: publishers of an owner overtake each other by ms. */
const HOLE_MS = 50;
/** Changes kept while a hole is open; beyond that they are read from PostgreSQL as well. */
const MAX_AHEAD = 20_000;

/** What a feed delivers: side messages only to those who asked for them. */
export type FeedMessage = Change | SideMessage;

export const isSideMessage = (message: FeedMessage): message is SideMessage => 'kind' in message;

const sizeOfMessage = (message: FeedMessage): number => {
  if (!isSideMessage(message)) return message.data.length;
  return message.kind === 'log' ? message.record.length : 0;
};

interface Listener {
  taskId: string | undefined;
  withSide: boolean;
  mailbox: Mailbox<FeedMessage>;
}

/**
 * One owner's changes on this node, in order and without holes, for all of the owner's subscribers here.
 *
 * Positions are dense, so a lost or late message shows as a hole: after 50 ms the missing part is read from PostgreSQL.
 * Whatever was delivered once is dropped when it comes again. A hole that PostgreSQL has as well, because tasks were deleted,
 * is passed over.
 */
export class OwnerFeed {
  readonly ownerId: string;
  readonly #options: FeedOptions;
  readonly #listeners = new Set<Listener>();
  /** Those of `#listeners` who want every task's changes, and those who want one task's. */
  readonly #ofAllTasks = new Set<Listener>();
  readonly #byTask = new Map<string, Set<Listener>>();
  readonly #observers = new Set<(change: Change) => void>();
  readonly #ahead = new Map<number, Change>();
  #position: number | undefined;
  #delivered = 0;
  #holeTimer: NodeJS.Timeout | undefined;
  #filling: Promise<void> | undefined;

  constructor(ownerId: string, options: FeedOptions) {
    this.ownerId = ownerId;
    this.#options = options;
  }

  /** The last position that was delivered. */
  get position(): number {
    return this.#position ?? 0;
  }

  /** How many times it has handed a change to a subscriber. */
  get delivered(): number {
    return this.#delivered;
  }

  get subscribers(): number {
    return this.#listeners.size;
  }

  /** It has begun, and nobody listens. */
  get isIdle(): boolean {
    return this.#position !== undefined && this.#listeners.size === 0 && this.#observers.size === 0;
  }

  /** Begins after `position`, which is what PostgreSQL had once this node was subscribed. */
  startAt(position: number): void {
    this.#position = position;
    for (const early of this.#ahead.keys()) if (early <= position) this.#ahead.delete(early);
    this.#deliverAhead();
  }

  accept(change: Change): void {
    if (this.#position === undefined) {
      this.#keepForLater(change);
    } else if (change.position === this.#position + 1) {
      this.#deliver(change);
      this.#deliverAhead();
    } else if (change.position > this.#position) {
      this.#keepForLater(change);
      this.#expectHoleToClose();
    }
  }

  /** Reads what is missing from PostgreSQL. Called when messages may have been lost. */
  catchUp(): Promise<void> {
    this.#filling ??= this.#fill()
      .catch(this.#options.onError)
      .finally(() => {
        this.#filling = undefined;
        if (this.#ahead.size > 0) this.#expectHoleToClose();
      });
    return this.#filling;
  }

  /** Progress and log lines have no place among the changes: they are delivered as they come. */
  acceptSide(message: SideMessage): void {
    const listeners = this.#byTask.get(message.taskId);
    if (listeners) for (const { mailbox, withSide } of listeners) if (withSide) mailbox.push(message);
  }

  /**
   * @param taskId only this task's changes. Default: all of the owner's
   * @returns what comes after the present `position`
   */
  subscribe(taskId?: string): Mailbox<Change> {
    // Without side messages, only changes are pushed.
    return this.#listen(taskId, false) as unknown as Mailbox<Change>;
  }

  /** A task's changes after the present `position`, with its progress and log lines in between. */
  subscribeWithSide(taskId: string): Mailbox<FeedMessage> {
    return this.#listen(taskId, true);
  }

  /** Calls `observer` with each change after the present `position`, as it is delivered; returns how to end it. */
  observe(observer: (change: Change) => void): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  #listen(taskId: string | undefined, withSide: boolean): Mailbox<FeedMessage> {
    const listener: Listener = {
      taskId,
      withSide,
      mailbox: new Mailbox(this.#options.subscriberBuffer, () => this.#unsubscribe(listener), sizeOfMessage),
    };
    this.#listeners.add(listener);
    if (taskId !== undefined) {
      const others = this.#byTask.get(taskId);
      if (others) others.add(listener);
      else this.#byTask.set(taskId, new Set([listener]));
    } else {
      this.#ofAllTasks.add(listener);
    }
    return listener.mailbox;
  }

  /** Ends all subscriptions with this error. */
  fail(error: Error): void {
    for (const { mailbox } of [...this.#listeners]) mailbox.fail(error);
  }

  stop(): void {
    clearTimeout(this.#holeTimer);
  }

  #unsubscribe(listener: Listener): void {
    this.#listeners.delete(listener);
    this.#ofAllTasks.delete(listener);
    if (listener.taskId === undefined) return;
    const others = this.#byTask.get(listener.taskId);
    others?.delete(listener);
    if (others?.size === 0) this.#byTask.delete(listener.taskId);
  }

  #keepForLater(change: Change): void {
    if (this.#ahead.size < MAX_AHEAD) this.#ahead.set(change.position, change);
  }

  #deliver(change: Change): void {
    this.#position = change.position;
    for (const { mailbox } of this.#ofAllTasks) mailbox.push(change);
    for (const observe of this.#observers) observe(change);
    const listeners = this.#byTask.get(change.taskId);
    if (listeners) for (const { mailbox } of listeners) mailbox.push(change);
    this.#delivered += this.#ofAllTasks.size + (listeners?.size ?? 0);
  }

  #deliverAhead(): void {
    if (this.#position === undefined) return;
    for (;;) {
      const next = this.#ahead.get(this.#position + 1);
      if (!next) break;
      this.#ahead.delete(next.position);
      this.#deliver(next);
    }
    if (this.#ahead.size === 0) {
      clearTimeout(this.#holeTimer);
      this.#holeTimer = undefined;
    } else {
      this.#expectHoleToClose();
    }
  }

  #expectHoleToClose(): void {
    this.#holeTimer ??= setTimeout(() => {
      this.#holeTimer = undefined;
      void this.catchUp();
    }, HOLE_MS);
  }

  async #fill(): Promise<void> {
    for (;;) {
      // Before the page: what was committed up to here and is not in the page, was deleted.
      const end = await this.#options.readPosition(this.ownerId);
      if (this.#position === undefined) return;
      const page = await this.#options.readChanges(this.ownerId, this.#position, PAGE);
      const isLast = page.length < PAGE;
      const lastPosition = page.at(-1)?.position ?? 0;
      this.#deliverRead(page, isLast ? Math.max(end, lastPosition) : lastPosition);
      if (isLast) return;
    }
  }

  /** Delivers what was read, in order with what came early, and goes on after `upTo`: up to there PostgreSQL has no more. */
  #deliverRead(page: readonly Change[], upTo: number): void {
    const known = new Map(page.map((change) => [change.position, change]));
    for (const [position, change] of this.#ahead) {
      if (position > upTo) continue;
      known.set(position, change);
      this.#ahead.delete(position);
    }
    let isDense = true;
    for (const change of [...known.values()].sort((a, b) => a.position - b.position)) {
      if (change.position <= this.position) continue;
      isDense &&= change.position === this.position + 1;
      this.#deliver(change);
    }
    if (upTo > this.position) {
      isDense = false;
      this.#position = upTo;
    }
    if (!isDense) this.#endThoseOfOneTask();
    this.#deliverAhead();
  }

  /** A task may have ended in the hole and be gone: whoever watches it would wait for ever. */
  #endThoseOfOneTask(): void {
    const reason = 'Changes were deleted before this server had seen them; subscribe again.';
    for (const { mailbox, taskId } of [...this.#listeners]) {
      if (taskId !== undefined) mailbox.fail(new TaskFlowError('UNAVAILABLE', reason));
    }
  }
}
