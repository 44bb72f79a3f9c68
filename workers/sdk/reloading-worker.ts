import { watch } from 'node:fs';
import { sep } from 'node:path';
import type { Logger } from '../../src/logger.ts';
import type { TaskDefinition } from '../runtime/define-task.ts';
import { renewModules } from '../runtime/module-hooks.ts';
import type { StopOptions, Worker } from '../runtime/worker.ts';

export interface ReloadingOptions {
  folder: string;
  /** Of the first version. */
  tasks: readonly TaskDefinition[];
  /** Loads them again. */
  load: () => Promise<TaskDefinition[]>;
  start: (tasks: readonly TaskDefinition[]) => Worker;
  logger: Logger;
}

/** An editor writes a file in several steps, and a checkout writes many. In ms. */
const SETTLE_MS = 100;

/**
 * Runs the tasks of a folder, and whenever the folder changes, their new version: it claims from then on, and what runs goes
 * on in the old one until it ends. A version that cannot be loaded changes nothing but the log. What was loaded stays in
 * memory: this is for development.
 */
export const startReloading = ({
  folder,
  tasks,
  load,
  start,
  logger,
}: ReloadingOptions): Pick<Worker, 'stop' | 'running'> => {
  let current = start(tasks);
  let timer: NodeJS.Timeout | undefined;
  let reloading = Promise.resolve();
  const draining = new Set<Worker>();
  const reload = async (): Promise<void> => {
    renewModules();
    const renewed = await load();
    const old = current;
    current = start(renewed);
    draining.add(old);
    void old.stop({ graceMs: Number.POSITIVE_INFINITY }).then(() => draining.delete(old));
    logger.info({ types: renewed.map(({ type }) => type) }, 'tasks reloaded');
  };
  const watcher = watch(folder, { recursive: true }, (_event, file) => {
    if (file?.split(sep).includes('node_modules')) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      reloading = reloading
        .then(reload)
        .catch((error: Error) => logger.error(`the tasks stay as they were: ${error.message}`));
    }, SETTLE_MS);
  });
  watcher.on('error', (err) => logger.error({ err }, 'the folder of tasks cannot be watched any more'));
  return {
    get running() {
      return [current, ...draining].reduce((sum, worker) => sum + worker.running, 0);
    },
    stop: async (options: StopOptions) => {
      clearTimeout(timer);
      watcher.close();
      await reloading;
      await Promise.all([current, ...draining].map((worker) => worker.stop(options)));
    },
  };
};
