import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import * as claiming from './cases/claiming.ts';
import * as disruptions from './cases/disruptions.ts';
import * as errors from './cases/errors.ts';
import * as results from './cases/results.ts';
import * as stopping from './cases/stopping.ts';
import * as telling from './cases/telling.ts';
import { type ConformanceWorker, type Harness, startHarness } from './harness.ts';
import type { WorkerKind } from './workers.ts';

/** Tasks that were submitted before the first worker of this TaskFlow had started. */
export interface Early {
  /** Its payload does not fit its type. */
  misfit: string;
  waiting: string;
}

type SharedCase = (harness: Harness, early: Early, worker: ConformanceWorker) => Promise<void>;

/** Cases that share one worker and run beside each other. */
const TOGETHER: Record<string, SharedCase> = {
  'runs what waited for it': async (h, { waiting }) =>
    expect(await h.ended(waiting)).toMatchObject({ status: 'COMPLETED', result: 'early' }),
  'gives back every kind of JSON value': results.givesBackEveryValue,
  'gives back what is nested deeply': results.givesBackDeepNesting,
  'takes results up to the limit, and refuses larger ones': results.takesResultsUpToTheLimit,
  'counts the bytes of a text, not its escapes': results.countsBytesOfText,
  'takes large payloads': results.takesLargePayloads,
  'keeps the size of a detail that is too large': telling.keepsTheSizeOfALargeDetail,
  'says what was thrown, with code and stack': errors.saysWhatWasThrown,
  'says no code where there is none': errors.saysNoCodeWhereThereIsNone,
  'cuts long messages and codes': errors.cutsLongMessages,
  'tries again': errors.triesAgain,
  'gives up after the last attempt': errors.givesUpAfterTheLastAttempt,
  'leaves the delay to the task': errors.leavesTheDelayToTheTask,
  'lets a handler ask for its own delay': errors.asksForItsOwnDelay,
  'refuses a payload that does not fit': errors.refusesAPayloadThatDoesNotFit,
  'announces what payloads must be': errors.announcesWhatPayloadsMustBe,
  'tells subscribers its progress, and the last value is kept': telling.tellsItsProgress,
  'keeps progress within 0 and 100': telling.keepsProgressWithinBounds,
  'sends at most ten values of progress a second': telling.sparesSubscribersMostOfManyValues,
  'keeps log lines, and shows them live': telling.keepsLogLines,
  'keeps log lines of every level': telling.keepsLogLinesOfEveryLevel,
  'keeps a thousand lines of an attempt': telling.keepsAThousandLines,
  'cuts long lines': telling.cutsLongLines,
  'stops a handler whose task is cancelled': stopping.stopsACancelledHandler,
  'ends a cancelled task whose handler went on': stopping.endsACancelledTaskWhoseHandlerGoesOn,
  'stops a handler whose time is up': stopping.endsAHandlerInTime,
  'tries again after a timeout': stopping.triesAgainAfterATimeout,
  'keeps a result that came in the grace after a timeout': stopping.keepsAResultThatCameInTheGrace,
  'tells handlers what they run': claiming.tellsHandlersWhatTheyRun,
  'tells handlers the trace of their task': claiming.tellsHandlersTheTrace,
  'tells handlers what became of the tasks that theirs waited for': claiming.tellsWhatBecameOfParents,
  'serves both lanes and every priority': claiming.servesBothLanes,
  'leaves paused queues alone': claiming.leavesPausedQueuesAlone,
  'is listed with its language, and says again that it lives': claiming.isListed,
};

/** Cases that start workers of their own, or take Redis away from everybody. */
const ALONE: Record<string, (harness: Harness) => Promise<void>> = {
  'ends in order when it is told to': disruptions.endsInOrder,
  'refuses faulty settings': disruptions.refusesFaultySettings,
  'runs as many tasks at once as its concurrency says, of the queues that it serves':
    claiming.runsAsManyAsItsConcurrency,
  'is woken at once, also beside a worker that is full': claiming.isWokenAtOnce,
  'keeps the limit of a queue': claiming.keepsTheLimitOfAQueue,
  'gives up a handler that blocks, and serves others meanwhile': stopping.givesUpAHandlerThatBlocks,
  'hands back what it cannot finish': disruptions.handsBackWhatItCannotFinish,
  'loses nothing when it is killed': disruptions.losesNothingWhenItIsKilled,
  'cannot change what it lost while it was paused': disruptions.cannotChangeWhatItLost,
  'frees the slot of a task that it lost': disruptions.freesTheSlotOfWhatItLost,
  'goes on when Redis is back': disruptions.goesOnWhenRedisIsBack,
  'goes on when Redis lost everything': disruptions.goesOnWhenRedisLostEverything,
  'loses and doubles nothing of 10,000 tasks, and claims and reports many in one call':
    disruptions.losesAndDoublesNothingOfMany,
  'never asked Redis for more than it may': async (h) => expect(await h.refusals()).toEqual([]),
};

/**
 * Cases that are left out while primaries fail, which puts back what runs: they know each attempt, line or value beforehand, or
 * how long something takes.
 */
const CALM = new Set([
  'takes results up to the limit, and refuses larger ones',
  'says what was thrown, with code and stack',
  'tries again',
  'gives up after the last attempt',
  'leaves the delay to the task',
  'lets a handler ask for its own delay',
  'refuses a payload that does not fit',
  'tells subscribers its progress, and the last value is kept',
  'keeps progress within 0 and 100',
  'sends at most ten values of progress a second',
  'keeps log lines, and shows them live',
  'keeps log lines of every level',
  'keeps a thousand lines of an attempt',
  'cuts long lines',
  'stops a handler whose task is cancelled',
  'ends a cancelled task whose handler went on',
  'stops a handler whose time is up',
  'tries again after a timeout',
  'tells handlers what they run',
  'runs as many tasks at once as its concurrency says, of the queues that it serves',
  'is woken at once, also beside a worker that is full',
  'keeps the limit of a queue',
  'gives up a handler that blocks, and serves others meanwhile',
  'hands back what it cannot finish',
  'loses nothing when it is killed',
  'cannot change what it lost while it was paused',
  'frees the slot of a task that it lost',
  'loses and doubles nothing of 10,000 tasks, and claims and reports many in one call',
]);
const testOf = (name: string) => test.skipIf(primariesFail() && CALM.has(name));

/** Runs all cases against a worker. Where it cannot be built it is left out, loudly; in CI that is an error. */
export const conformance = (kind: WorkerKind): void => {
  const missing = kind.missing();
  if (missing && process.env.CI) throw new Error(`the ${kind.language} worker cannot run here: ${missing}`);
  if (missing) process.stderr.write(`\nThe ${kind.language} worker is NOT tested: ${missing}\n\n`);
  describe.skipIf(missing)(`the ${kind.language} worker`, { timeout: 90_000 }, () => {
    let harness: Harness;
    beforeAll(async () => {
      await kind.build();
      harness = await startHarness(kind);
    }, 300_000);
    afterAll(() => harness?.[Symbol.asyncDispose]());

    describe('beside others', { concurrent: true }, () => {
      let early: Early;
      let worker: ConformanceWorker;
      beforeAll(async () => {
        early = {
          misfit: await harness.submit('sleep', { ms: 'long' }),
          waiting: await harness.submit('echo', 'early'),
        };
        // Such leases are extended too rarely to be what tells it of a cancellation.
        worker = await harness.startWorker({ LEASE_MS: '30000' });
      });
      // The others start workers of their own.
      afterAll(() => worker?.process.kill());
      for (const [name, run] of Object.entries(TOGETHER)) testOf(name)(name, () => run(harness, early, worker));
    });
    describe('alone', () => {
      for (const [name, run] of Object.entries(ALONE)) testOf(name)(name, () => run(harness));
    });
  });
};
