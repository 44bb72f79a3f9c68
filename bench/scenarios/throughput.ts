import { bullmq, bullmqKeeping } from '../systems/bullmq.ts';
import { graphileWorker } from '../systems/graphile-worker.ts';
import { pgBoss } from '../systems/pg-boss.ts';
import { taskflow } from '../systems/taskflow.ts';
import { eachAlone, type Figure, rateOf, type Scenario } from './scenario.ts';

const ALL = [taskflow, bullmq, bullmqKeeping, graphileWorker, pgBoss];
/** What is kept of a job that ended makes no difference to submitting it. */
const SUBMITTERS = [taskflow, bullmq, graphileWorker, pgBoss];

/** From a full queue until the last task's end is as durable as the system makes it, with one worker and with two. */
export const fullQueue: Scenario = {
  name: 'full-queue',
  contestants: ALL,
  run: async (round) => {
    const figures: Figure[] = [];
    for (const workers of [1, 2]) {
      const name = `process a full queue, ${workers} worker${workers > 1 ? 's' : ''}`;
      const count = round.scale(50_000);
      const found = await eachAlone(ALL, round, async (system, contestant) => {
        await system.submit({ count, callers: 4, size: Math.min(1_000, count) });
        await system.startWorkers(workers);
        const value = await rateOf(count, () => system.untilEnded(count));
        return [{ name, system: contestant.name, value, unit: 'tasks/s' }];
      });
      figures.push(...found);
    }
    return figures;
  },
};

/** In bulk of 1,000, with one caller and with four; nobody works. */
export const bulkSubmit: Scenario = {
  name: 'bulk-submit',
  contestants: SUBMITTERS,
  run: (round) =>
    eachAlone(SUBMITTERS, round, async (system, contestant) => {
      const figures: Figure[] = [];
      for (const callers of [1, 4]) {
        const count = round.scale(50_000 * Math.min(callers, 2));
        const value = await rateOf(count, () => system.submit({ count, callers, size: 1_000 }));
        const name = `submit in bulk of 1,000, ${callers} caller${callers > 1 ? 's' : ''}`;
        figures.push({ name, system: contestant.name, value, unit: 'tasks/s' });
      }
      return figures;
    }),
};

/** Those that commit each submission alone get fewer: a thousand a second are measured as well with a tenth. */
const SINGLES = new Map([
  [taskflow, 20_000],
  [bullmq, 20_000],
  [graphileWorker, 2_000],
  [pgBoss, 2_000],
]);

/** One task a call, with 100 calls under way, inside one process; nobody works. */
export const singleSubmit: Scenario = {
  name: 'single-submit',
  contestants: SUBMITTERS,
  run: (round) =>
    eachAlone(SUBMITTERS, round, async (system, contestant) => {
      const count = round.scale(SINGLES.get(contestant) ?? 2_000);
      const value = await rateOf(count, () => system.submit({ count, callers: 100, size: 1 }));
      return [{ name: 'submit one by one, 100 callers', system: contestant.name, value, unit: 'tasks/s' }];
    }),
};

const BOTH = [taskflow, bullmq, graphileWorker];

/** Submitting in bulk while a worker works, until the last end. */
export const bothAtOnce: Scenario = {
  name: 'both-at-once',
  contestants: BOTH,
  run: (round) =>
    eachAlone(BOTH, round, async (system, contestant) => {
      const count = round.scale(50_000);
      await system.startWorkers(1);
      const value = await rateOf(count, async () => {
        await system.submit({ count, callers: 4, size: Math.min(1_000, count) });
        await system.untilEnded(count);
      });
      return [
        { name: 'submit in bulk and process at once, 1 worker', system: contestant.name, value, unit: 'tasks/s' },
      ];
    }),
};
