import { quantile } from '../quantile.ts';
import { bullmq } from '../systems/bullmq.ts';
import { graphileWorker } from '../systems/graphile-worker.ts';
import { pgBoss } from '../systems/pg-boss.ts';
import { taskflow } from '../systems/taskflow.ts';
import { eachAlone, type Scenario } from './scenario.ts';

const ALL = [taskflow, bullmq, graphileWorker, pgBoss];

/**
 * From submitting one task on an idle system until the submitting process sees that it ended; a process of its own works.
 * BullMQ and TaskFlow announce the end; graphile-worker and pg-boss do not, so their row is asked for over and over.
 */
export const latency: Scenario = {
  name: 'latency',
  contestants: ALL,
  run: (round) =>
    eachAlone(ALL, round, async (system, contestant) => {
      await system.startWorkers(1);
      for (let i = 0; i < round.scale(200); i++) await system.submitAndWait();
      const times: number[] = [];
      for (let i = 0; i < round.scale(1_000); i++) {
        const startedAt = performance.now();
        await system.submitAndWait();
        times.push(performance.now() - startedAt);
      }
      return [0.5, 0.99].map((q) => ({
        name: `idle: submit → end seen, p${q * 100}`,
        system: contestant.name,
        value: quantile(times, q),
        unit: 'ms' as const,
      }));
    }),
};
