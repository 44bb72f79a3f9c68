import type { Figure, Scale } from './report.ts';
import type { BenchStack } from './stack.ts';
import { openSubmitter } from './submitter.ts';

/** QUEUED, PROCESSING, COMPLETED. */
const TRANSITIONS = 3;

/** From a full queue until the last COMPLETED is committed, with one worker and with two. */
export const benchFullQueue = async (stack: BenchStack, scale: Scale): Promise<Figure[]> => {
  const figures: Figure[] = [];
  for (const workers of [1, 2]) {
    const count = scale(50_000);
    const ownerId = await stack.makeOwner();
    const manager = await stack.start('manager');
    await using submitter = await openSubmitter(stack);
    await submitter.submit(ownerId, { count, callers: 4, size: 1_000 });
    const started = await Promise.all(
      Array.from({ length: workers }, () => stack.start('worker', { WORKER_CONCURRENCY: '500' })),
    );
    const startedAt = performance.now();
    await stack.untilRecorded(ownerId, count * TRANSITIONS);
    const value = (count / (performance.now() - startedAt)) * 1_000;
    for (const process of [...started, manager]) await process.stop();
    figures.push({ name: `process a full queue, ${workers} worker${workers > 1 ? 's' : ''}`, value, unit: 'tasks/s' });
  }
  return figures;
};

/** Submitting in bulk while a worker processes, until the last COMPLETED is committed. */
export const benchEndToEnd = async (stack: BenchStack, scale: Scale): Promise<Figure[]> => {
  const count = scale(50_000);
  const ownerId = await stack.makeOwner();
  const manager = await stack.start('manager');
  const worker = await stack.start('worker', { WORKER_CONCURRENCY: '500' });
  await using submitter = await openSubmitter(stack);
  const startedAt = performance.now();
  await submitter.submit(ownerId, { count, callers: 4, size: 1_000 });
  await stack.untilRecorded(ownerId, count * TRANSITIONS);
  const value = (count / (performance.now() - startedAt)) * 1_000;
  await worker.stop();
  await manager.stop();
  return [{ name: 'submit in bulk and process at once, 1 worker', value, unit: 'tasks/s' }];
};
