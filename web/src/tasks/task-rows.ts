import type { TaskStatus } from '../schema.generated.ts';
import type { TaskRowFragment } from './tasks.generated.ts';

/** A place in the table. What stands there is loaded again when it was dropped. */
export interface TaskItem {
  readonly id: string;
  task: TaskRowFragment | undefined;
  /** It is not there any more. */
  isGone: boolean;
}

/** So many rows a request. */
export const PAGE = 200;
/** So many rows are kept with what is in them; of all others only the ids, some 100 bytes each. */
export const KEPT = 2_000;

/**
 * The rows of the table, newest first: pages come at the end, new tasks at the beginning, and changes where the task stands.
 * Nothing else moves, also when a task does not match the filter any more.
 */
export class TaskRows {
  #items: TaskItem[] = [];
  readonly #byId = new Map<string, TaskItem>();
  /** New tasks that are not shown yet. */
  readonly #held = new Map<string, TaskItem>();
  readonly #statuses: ReadonlySet<TaskStatus>;
  /** What changed while pages were asked for, which may be older than that. */
  readonly #meanwhile = new Map<string, TaskRowFragment>();
  #asked = 0;
  #kept = 0;

  /** @param statuses that the filter wants of new tasks; none: all */
  constructor(statuses: readonly TaskStatus[]) {
    this.#statuses = new Set(statuses);
  }

  /** A new array whenever something has changed. */
  get items(): readonly TaskItem[] {
    return this.#items;
  }

  get heldCount(): number {
    return this.#held.size;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** Call it before asking for tasks, and `put…` or `giveUp` once for each. */
  ask(): void {
    this.#asked += 1;
  }

  giveUp(): void {
    this.#asked -= 1;
    if (this.#asked === 0) this.#meanwhile.clear();
  }

  /** Adds the next page. */
  putPage(tasks: readonly TaskRowFragment[]): void {
    const items = this.#items.slice();
    for (const task of tasks) {
      const present = this.#byId.get(task.id);
      if (present) this.#fill(present, task);
      else items.push(this.#add(task));
    }
    this.#items = items;
    this.giveUp();
    this.#drop(items.length - 1);
  }

  /** The dropped rows around one, of which `putAgain` wants what is in them. */
  missingAround(id: string): string[] {
    const item = this.#byId.get(id);
    const index = item ? this.#items.indexOf(item) : -1;
    if (index === -1) return [];
    const first = Math.max(index - PAGE / 2, 0);
    return this.#items
      .slice(first, first + PAGE)
      .filter(({ task, isGone }) => !task && !isGone)
      .map((each) => each.id);
  }

  /** Fills rows that were asked for by their ids; those that did not come are gone. */
  putAgain(ids: readonly string[], tasks: readonly TaskRowFragment[]): void {
    const found = new Map(tasks.map((task) => [task.id, task]));
    for (const id of ids) {
      const item = this.#byId.get(id);
      const task = found.get(id);
      if (item && task) this.#fill(item, task);
      else if (item) item.isGone = true;
    }
    this.#items = this.#items.slice();
    this.giveUp();
    const middle = this.#byId.get(ids[0] ?? '');
    if (middle) this.#drop(this.#items.indexOf(middle));
  }

  /** Takes in changes, oldest first. New tasks are held back. */
  change(changes: readonly { status: TaskStatus; task: TaskRowFragment }[]): void {
    for (const { status, task } of changes) {
      if (this.#asked > 0) this.#meanwhile.set(task.id, task);
      const item = this.#byId.get(task.id);
      if (item?.task) item.task = task;
      else if (!item && this.#isWanted(status)) this.#hold(task);
      else this.#held.delete(task.id);
    }
    this.#items = this.#items.slice();
  }

  /** Shows the new tasks. */
  release(): void {
    if (this.#held.size === 0) return;
    for (const item of this.#held.values()) {
      this.#byId.set(item.id, item);
      if (item.task) this.#kept += 1;
    }
    this.#items = [...this.#held.values(), ...this.#items].sort((a, b) => (a.id < b.id ? 1 : -1));
    this.#held.clear();
    this.#drop(0);
  }

  #hold(task: TaskRowFragment): void {
    // Of a flood, the ids: what is looked at is loaded.
    const isKept = this.#held.has(task.id) || this.#held.size < KEPT;
    this.#held.set(task.id, { id: task.id, task: isKept ? task : undefined, isGone: false });
  }

  #isWanted(status: TaskStatus): boolean {
    return this.#statuses.size === 0 || this.#statuses.has(status);
  }

  #add(task: TaskRowFragment): TaskItem {
    const item: TaskItem = { id: task.id, task: this.#meanwhile.get(task.id) ?? task, isGone: false };
    this.#byId.set(task.id, item);
    this.#held.delete(task.id);
    this.#kept += 1;
    return item;
  }

  #fill(item: TaskItem, task: TaskRowFragment): void {
    if (!item.task) this.#kept += 1;
    item.task = this.#meanwhile.get(task.id) ?? task;
    item.isGone = false;
  }

  /** Forgets what is in the rows that are farthest from the one that was looked at. */
  #drop(index: number): void {
    const forget = (item: TaskItem | undefined): void => {
      if (!item?.task) return;
      item.task = undefined;
      this.#kept -= 1;
    };
    let first = 0;
    let last = this.#items.length - 1;
    while (this.#kept > KEPT && first < last) {
      if (index - first > last - index) forget(this.#items[first++]);
      else forget(this.#items[last--]);
    }
  }
}
