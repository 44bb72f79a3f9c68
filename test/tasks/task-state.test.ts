import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TaskStatus as StoredStatus } from '../../src/database/generated/client/enums.ts';
import {
  FIRST_STATUSES,
  hasEnded,
  isLegalMove,
  LEGAL_MOVES,
  LIVE_STATUSES,
  TASK_STATUSES,
} from '../../src/tasks/task-state.ts';

describe('the table of states', () => {
  const page = readFileSync(new URL('../../docs/task-states.md', import.meta.url), 'utf8');

  test('is the diagram of the docs', () => {
    const drawn = [...page.matchAll(/^ {2}(\S+) --> (\S+)$/gm)].map(([, from, to]) => `${from} ${to}`);
    const legal = [
      ...FIRST_STATUSES.map((status) => `[*] ${status}`),
      ...TASK_STATUSES.flatMap((from) => LEGAL_MOVES[from].map((to) => `${from} ${to}`)),
      ...TASK_STATUSES.filter((status) => LEGAL_MOVES[status].length === 0).map((status) => `${status} [*]`),
    ];
    expect(drawn.sort()).toEqual(legal.sort());
  });

  test('has each of its states explained there', () => {
    const explained = [...page.matchAll(/^\| `(\w+)` \| .+ \|$/gm)].map(([, status]) => status);
    expect(explained.sort()).toEqual(TASK_STATUSES.toSorted());
  });

  test('has the states that PostgreSQL has', () => {
    expect(Object.values(StoredStatus).sort()).toEqual(TASK_STATUSES.toSorted());
  });

  test('leads from every live state to an end, and leaves an end only by hand', () => {
    for (const status of LIVE_STATUSES) expect(LEGAL_MOVES[status].length).toBeGreaterThan(0);
    for (const status of TASK_STATUSES.filter(hasEnded)) {
      for (const next of TASK_STATUSES)
        expect(isLegalMove(status, next)).toBe(status !== 'COMPLETED' && (next === 'QUEUED' || next === 'WAITING'));
    }
  });
});
