import type { Change } from '../../src/realtime/change.ts';

/** A transition as a recorder publishes it. */
export const transitionOf = (of: Pick<Change, 'ownerId' | 'taskId' | 'seq' | 'position'>): Change => ({
  ...of,
  status: of.seq % 2 === 0 ? 'PROCESSING' : 'QUEUED',
  attempt: Math.ceil(of.seq / 2),
  queue: 'default',
  type: 'echo',
  workerId: 'bench',
  atMs: Date.now(),
  runAtMs: undefined,
  data: '',
});
