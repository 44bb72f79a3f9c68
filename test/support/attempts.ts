import type { Claim } from '../../src/broker/calls.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { Attempt } from '../../workers/runtime/attempt.ts';

/** A claimed task, as Redis gives it to a worker. */
export const claimOf = (more: Partial<Claim> = {}): Claim => ({
  id: 'task-1',
  token: '1.2',
  attempt: 1,
  maxAttempts: 3,
  timeoutMs: undefined,
  ownerId: 'owner',
  queue: 'default',
  type: 'work',
  payload: '{"n":1}',
  parents: '',
  ...more,
});

// What is tested with it only passes it on.
const shard = {} as Shard;

/** An attempt of no shard, for parts of a worker that report nothing. */
export const attemptOf = (more: Partial<Claim> = {}): Attempt => new Attempt(claimOf(more), shard);
