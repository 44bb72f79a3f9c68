import fc from 'fast-check';
import {
  expireLeases,
  flushAll,
  lead,
  loseMeta,
  passDeadlines,
  promoteTasks,
  rebuild,
  reconcile,
  record,
  refreshEpochs,
} from './manager-steps.ts';
import type { Step } from './step.ts';
import { cancelTasks, pauseQueue, purgeQueue, resume, retry, submit } from './user-steps.ts';
import { claimTasks, completeTasks, extendThem, failTasks, releaseTasks } from './worker-steps.ts';

/** How often each comes up, against the others. */
const WEIGHTS: readonly [number, fc.Arbitrary<Step>][] = [
  [6, submit],
  [3, resume],
  [8, claimTasks],
  [3, completeTasks],
  [4, failTasks],
  [2, releaseTasks],
  [1, extendThem],
  [6, cancelTasks],
  [6, expireLeases],
  [8, passDeadlines],
  [4, promoteTasks],
  [1, pauseQueue],
  [2, purgeQueue],
  [3, record],
  [3, retry],
  [1, refreshEpochs],
  [1, flushAll],
  [2, loseMeta],
  [1, lead],
  [3, rebuild],
  [2, reconcile],
];

/** Sequences of up to `maxSteps` steps. `replayPath` repeats one of a failed run. */
export const sequences = (maxSteps: number, replayPath: string | undefined): fc.Arbitrary<Iterable<Step>> =>
  fc.commands(
    WEIGHTS.flatMap(([weight, arbitrary]) => Array.from({ length: weight }, () => arbitrary)),
    { maxCommands: maxSteps, size: 'max', ...(replayPath === undefined ? {} : { replayPath }) },
  );
