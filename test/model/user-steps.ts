import fc from 'fast-check';
import { expect } from 'vitest';
import { cancel } from '../../src/broker/calls.ts';
import { ModelTask, type TaskSpec } from './model-task.ts';
import { orNotReady } from './real-system.ts';
import { choose, idsOf, LEASE_MS, lane, picks, queue, step } from './step.ts';

const CANCEL_REASON = { reason: 'CANCELLED', message: 'no longer needed' };

const spec: fc.Arbitrary<TaskSpec> = fc.record({
  queue,
  type: fc.constantFrom('t1', 't2'),
  priority: fc.constantFrom('HIGH', 'NORMAL', 'NORMAL', 'LOW'),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  isDelayed: fc.constantFrom(false, false, false, true),
});
export const submit = fc.tuple(fc.array(spec, { minLength: 1, maxLength: 4 }), fc.nat(9)).map(([specs, luck]) => {
  const isHandedOver = luck < 8;
  return step(`submit(${JSON.stringify(specs)}${isHandedOver ? '' : ', and stop'})`, async (model, real) => {
    const ids = await real.submit(specs, isHandedOver);
    model.submit(
      ids.map((id, i) => new ModelTask(id, specs[i] as TaskSpec)),
      isHandedOver,
    );
  });
});

/** A submitter that stopped between its commit and Redis goes on. Those that never do have died. */
export const resume = fc.nat(5).map((pick) =>
  step(
    `resume(${pick})`,
    async (model, real) => {
      const index = pick % model.stalled.length;
      await real.resume(index);
      model.resume(index);
    },
    ({ stalled }) => stalled.length > 0,
  ),
);

export const cancelTasks = picks.map((chosen) =>
  step(
    `cancel(${chosen.join(' ')})`,
    async (model, real) => {
      const isIdle = ({ holder }: ModelTask): number => (holder ? 0 : 1);
      const all = choose(
        model.tasks.toReversed().sort((a, b) => isIdle(a) - isIdle(b)),
        chosen,
      );
      const place = (all[0] as ModelTask).lane;
      const tasks = all.filter((task) => task.lane === place);
      const items = tasks.map(({ id }) => ({ id, reason: JSON.stringify(CANCEL_REASON) }));
      const answer = await orNotReady(cancel(real.shard(place), { deadlineMs: LEASE_MS }, items));
      if (model.shards[place].lost) return expect(answer).toBe('NOTREADY');
      expect(answer).toEqual(tasks.map((task) => model.cancel(task, CANCEL_REASON)));
    },
    ({ tasks }) => tasks.length > 0,
  ),
);

export const pauseQueue = fc.tuple(queue, fc.constantFrom(true, false, false)).map(([name, isPaused]) =>
  step(`${isPaused ? 'pause' : 'resume'}(${name})`, async (model, real) => {
    await real.setPaused(name, isPaused);
    model.setPaused(name, isPaused);
  }),
);

export const retry = picks.map((chosen) =>
  step(
    `retry(${chosen.join(' ')})`,
    async (model, real) => {
      const tasks = choose(
        model.tasks.filter(({ hasEnded }) => hasEnded),
        chosen,
      );
      const expected = idsOf(tasks.filter((task) => model.isRetriable(task)));
      const ids = await real.retry(idsOf(tasks));
      expect(ids.toSorted()).toEqual(expected.toSorted());
      model.retry(ids.map((id) => model.tasks.find((task) => task.id === id) as ModelTask));
    },
    ({ tasks }) => tasks.some(({ hasEnded }) => hasEnded),
  ),
);

/** All that waits in a queue is ended, up to the newest of the tasks at that time. */
export const purgeQueue = fc.tuple(lane, queue, picks).map(([place, name, [pick = 0]]) =>
  step(
    `purge(${place}, ${name}, ${pick})`,
    async (model, real) => {
      const tasks = model.tasksOf(place);
      const before = tasks.toReversed()[pick % tasks.length]?.id ?? '';
      const lines = [...model.shards[place].lines.keys()].filter((line) => line.split('|')[1] === name);
      const ended = await orNotReady(real.purge(place, { queue: name, lines, before, reason: CANCEL_REASON }));
      if (model.shards[place].lost) return expect(ended).toBe('NOTREADY');
      expect(ended).toBe(model.purge(place, name, before, CANCEL_REASON));
    },
    (model) => model.tasksOf(place).length > 0,
  ),
);
