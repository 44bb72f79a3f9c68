import { v7 as uuidv7 } from 'uuid';
import type { Change } from '../../src/realtime/change.ts';

/** A change as submitters and recorders publish it. */
export const changeOf = (ownerId: string, position: number, more: Partial<Change> = {}): Change => ({
  ownerId,
  position,
  taskId: uuidv7(),
  seq: 1,
  status: 'QUEUED',
  attempt: 0,
  queue: 'default',
  type: 'echo',
  workerId: '',
  atMs: 1_700_000_000_000 + position,
  runAtMs: undefined,
  data: '',
  origin: undefined,
  ...more,
});

/** Stands for PostgreSQL: owners' committed changes, and how often they were read. */
export class ChangeLog {
  readonly #changes = new Map<string, Change[]>();
  readonly #dropped = new Set<string>();
  reads = 0;
  failing = false;

  /** Commits the next changes of an owner. */
  commit(ownerId: string, count: number, more: Partial<Change> = {}): Change[] {
    const all = this.#changes.get(ownerId) ?? [];
    const added = Array.from({ length: count }, (_, i) => changeOf(ownerId, all.length + i + 1, more));
    this.#changes.set(ownerId, [...all, ...added]);
    return added;
  }

  /** Deletes these positions of an owner. The last position stays what it was. */
  drop(ownerId: string, ...positions: number[]): void {
    for (const position of positions) this.#dropped.add(`${ownerId}|${position}`);
  }

  readonly readChanges = async (ownerId: string, after: number, limit: number): Promise<Change[]> => {
    this.reads++;
    if (this.failing) throw new Error('PostgreSQL is away');
    return (this.#changes.get(ownerId) ?? [])
      .filter(({ position }) => position > after && !this.#dropped.has(`${ownerId}|${position}`))
      .slice(0, limit);
  };

  readonly readPosition = async (ownerId: string): Promise<number> =>
    (await this.readPositions([ownerId])).get(ownerId) ?? 0;

  readonly readPositions = async (ownerIds: readonly string[]): Promise<Map<string, number>> => {
    if (this.failing) throw new Error('PostgreSQL is away');
    return new Map(ownerIds.map((ownerId) => [ownerId, this.#changes.get(ownerId)?.length ?? 0]));
  };
}

/** The positions of the next `count` messages. */
export const take = async (changes: AsyncIterator<Change>, count: number): Promise<number[]> => {
  const positions: number[] = [];
  while (positions.length < count) {
    const { value, done } = await changes.next();
    if (done) throw new Error(`ended after ${positions.length} of ${count} messages`);
    positions.push(value.position);
  }
  return positions;
};

/** from, from + 1, … to. */
export const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
