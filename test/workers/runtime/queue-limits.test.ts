import { describe, expect, test } from 'vitest';
import { defineTask } from '../../../workers/runtime/define-task.ts';
import { parseQueues } from '../../../workers/sdk/engine.ts';
import { waitFor } from '../../support/setup.ts';
import { setupWorkers } from './worker-setup.ts';

/** Runs until it is released, and counts by queue. */
const gated = () => {
  const running = new Map<string, number>();
  const most = new Map<string, number>();
  let waiting: (() => void)[] = [];
  const task = defineTask({
    type: 'work',
    handler: async ({ queue }) => {
      const now = (running.get(queue) ?? 0) + 1;
      running.set(queue, now);
      most.set(queue, Math.max(now, most.get(queue) ?? 0));
      await new Promise<void>((done) => waiting.push(done));
      running.set(queue, (running.get(queue) ?? 0) - 1);
    },
  });
  const release = (): void => {
    const ready = waiting;
    waiting = [];
    for (const done of ready) done();
  };
  return { task, running, most, release };
};

describe('a limit of a queue', () => {
  test('holds for its tasks, and leaves the other slots to other queues', async () => {
    await using app = await setupWorkers();
    const limited = await app.submit(12, { queue: 'images' });
    const free = await app.submit(12, { queue: 'mail' });
    const { task, running, most, release } = gated();

    app.start([task], { queues: ['mail', 'images'], queueLimits: { images: 2 }, concurrency: 8 });

    await waitFor(() => running.get('images') === 2 && running.get('mail') === 6, { what: 'all slots are taken' });
    const timer = setInterval(release, 5);
    await app.reached([...limited, ...free], 'COMPLETED');
    clearInterval(timer);
    expect(most.get('images')).toBe(2);
    expect(most.get('mail')).toBeGreaterThanOrEqual(6);
  });

  test('does not let the queue starve while another one fills every slot', async () => {
    await using app = await setupWorkers();
    const flood = await app.submit(400, { queue: 'mail' });
    const limited = await app.submit(3, { queue: 'images' });
    const order: string[] = [];
    const task = defineTask({ type: 'work', handler: ({ queue }) => order.push(queue) });

    app.start([task], { queues: ['mail', 'images'], queueLimits: { images: 1 }, concurrency: 4 });

    await app.reached([...flood, ...limited], 'COMPLETED');
    expect(order.lastIndexOf('images')).toBeLessThan(200);
  });
});

describe('the setting of queues', () => {
  test('gives names, and limits where they have some', () => {
    expect(parseQueues('*')).toEqual({ queues: ['*'], queueLimits: {} });
    expect(parseQueues('a,b:5,a')).toEqual({ queues: ['a', 'b'], queueLimits: { b: 5 } });
  });
});
