import { resolve } from 'node:path';
import { checkLanes } from '../../src/broker/check-lanes.ts';
import { openBroker } from '../../src/broker/open-broker.ts';
import type { Config } from '../../src/config.ts';
import { TaskFlowError } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { Registry } from '../../src/metrics/registry.ts';
import { toReadiness } from '../../src/readiness.ts';
import type { Running } from '../../src/run-process.ts';
import type { TaskDefinition } from '../runtime/define-task.ts';
import { configuredTasks } from '../tasks/index.ts';
import { startConfigured } from './engine.ts';
import { loadTasks } from './load-tasks.ts';
import { startReloading } from './reloading-worker.ts';

/**
 * A worker with connections of its own, as `taskflow worker` runs it: with the built-in tasks and those of WORKER_TASKS.
 *
 * @throws TaskFlowError BAD_USER_INPUT when the tasks cannot be loaded
 */
export const runWorker = async (config: Config, logger: Logger, registry?: Registry): Promise<Running> => {
  const folder = config.WORKER_TASKS === '' ? undefined : resolve(config.WORKER_TASKS);
  const load = async (): Promise<TaskDefinition[]> => collect(config, folder ? await loadTasks(folder) : []);
  const tasks = await load();
  const broker = openBroker(config, logger);
  const start = (current: readonly TaskDefinition[]) => startConfigured(config, broker, current, logger);
  const worker = folder && config.WORKER_WATCH ? startReloading({ folder, tasks, load, start, logger }) : start(tasks);
  if (registry) {
    const { measureWorker } = await import('../../src/metrics/worker-metrics.ts');
    const { showLanes } = await import('../../src/metrics/server-metrics.ts');
    measureWorker(registry, () => ({ concurrency: config.WORKER_CONCURRENCY, running: worker.running }));
    showLanes(registry, broker.lanes);
  }
  return {
    checkReadiness: async () => toReadiness(await checkLanes(broker)),
    stop: async () => {
      await worker.stop({ graceMs: config.SHUTDOWN_GRACE_MS });
      broker.close();
    },
  };
};

const collect = (config: Config, loaded: TaskDefinition[]): TaskDefinition[] => {
  const builtIn = config.WORKER_BUILTINS ? configuredTasks(config) : [];
  const clash = loaded.find(({ type }) => builtIn.some((task) => task.type === type));
  if (clash) {
    const message = `the task type "${clash.type}" is built in: name yours otherwise, or start with --no-builtins.`;
    throw new TaskFlowError('BAD_USER_INPUT', message);
  }
  const tasks = [...builtIn, ...loaded];
  if (tasks.length === 0) {
    throw new TaskFlowError(
      'BAD_USER_INPUT',
      'without the built-in tasks, a worker needs tasks of yours: --tasks <folder>.',
    );
  }
  return tasks;
};
