import type { Figure, Scale } from './report.ts';
import type { BenchStack } from './stack.ts';
import { openSubmitter } from './submitter.ts';

/** One by one, as 100 callers do it at once, and in bulk of 1,000, as 4 do; all inside one process. No worker runs. */
export const benchSubmit = async (stack: BenchStack, scale: Scale): Promise<Figure[]> => {
  const manager = await stack.start('manager');
  await using submitter = await openSubmitter(stack);
  const ownerId = await stack.makeOwner();
  const singles = await submitter.submit(ownerId, { count: scale(20_000), callers: 100, size: 1 });
  const bulk = await submitter.submit(ownerId, { count: scale(100_000), callers: 4, size: 1_000 });
  await manager.stop();
  return [
    { name: 'submit one by one, 100 callers', value: singles, unit: 'tasks/s' },
    { name: 'submit in bulk of 1,000, 4 callers', value: bulk, unit: 'tasks/s' },
  ];
};
