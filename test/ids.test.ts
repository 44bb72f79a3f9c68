import { expect, test } from 'vitest';
import { createdAtMs, newId } from '../src/ids.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('ids are UUIDs of version 7, each later than the one before', () => {
  const startedAt = Date.now();
  const ids = Array.from({ length: 10_000 }, newId);
  for (const id of ids) expect(id).toMatch(UUID_V7);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.toSorted()).toEqual(ids);
  // A burst of more than a millisecond can take borrows from the next ones.
  expect(createdAtMs(ids[0] as string)).toBeGreaterThanOrEqual(startedAt);
  expect(createdAtMs(ids.at(-1) as string)).toBeLessThan(Date.now() + 1_000);
});
