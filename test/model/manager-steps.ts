import fc from 'fast-check';
import { expect } from 'vitest';
import { promote, reap } from '../../src/broker/calls.ts';
import type { Model } from './model.ts';
import { byId, type LaneName, type ModelTask } from './model-task.ts';
import { orNotReady, type RealSystem } from './real-system.ts';
import { choose, idsOf, lane, picks, type Step, step } from './step.ts';

const LEASE_EXPIRED = {
  message: 'The worker stopped without a word, and no attempts are left.',
  code: 'LEASE_EXPIRED',
};
/** Time passes for some tasks, and whoever waits for it comes by. */
const timer = (
  name: string,
  set: 'leases' | 'cancel-deadlines' | 'scheduled',
  waits: (task: ModelTask) => boolean,
  call: (real: RealSystem, place: LaneName) => Promise<number>,
  expected: (model: Model, task: ModelTask) => void,
): fc.Arbitrary<Step> =>
  picks.map((chosen) =>
    step(
      `${name}(${chosen.join(' ')})`,
      async (model, real) => {
        const all = choose(model.tasks.filter(waits), chosen);
        const place = (all[0] as ModelTask).lane;
        const tasks = all.filter((task) => task.lane === place).sort(byId);
        const { lost } = model.shards[place];
        if (!lost) await real.bringForward(place, set, idsOf(tasks));
        expect(await orNotReady(call(real, place))).toBe(lost ? 'NOTREADY' : tasks.length);
        if (!lost) for (const task of tasks) expected(model, task);
      },
      (model) => model.tasks.some(waits),
    ),
  );

const reapAll = (real: RealSystem, place: LaneName): Promise<number> => reap(real.shard(place), { limit: 100 });

export const expireLeases = timer(
  'expire',
  'leases',
  ({ holder }) => holder !== undefined,
  reapAll,
  (model, task) => model.takeBack(task, LEASE_EXPIRED),
);
export const passDeadlines = timer(
  'passDeadline',
  'cancel-deadlines',
  ({ stopReason }) => stopReason !== undefined,
  reapAll,
  (model, task) => model.takeBack(task, LEASE_EXPIRED),
);
export const promoteTasks = timer(
  'promote',
  'scheduled',
  ({ status, isLive }) => isLive && status === 'SCHEDULED',
  async (real, place) => (await promote(real.shard(place), { limit: 100 })).promoted,
  (model, task) => model.promote(task),
);

export const record = lane.map((place) =>
  step(`record(${place})`, async (model, real) => {
    await real.record(place);
    model.record(place);
  }),
);

export const refreshEpochs = fc.constant(
  step('refreshEpochs()', async (model, real) => {
    await real.refreshEpochs();
    model.refreshEpochs();
  }),
);

export const flushAll = fc.constant(
  step('FLUSHALL', async (model, real) => {
    await real.loseBroker();
    model.loseBroker();
  }),
);

export const loseMeta = lane.map((place) =>
  step(
    `loseMeta(${place})`,
    async (model, real) => {
      await real.loseMeta(place);
      model.shards[place].lost = 'meta';
    },
    ({ shards }) => !shards[place].lost,
  ),
);

const leadBy = (place: LaneName, isPossible: (model: Model) => boolean): Step =>
  step(
    `lead(${place})`,
    async (model, real) => {
      expect(await real.lead(place)).toBe(model.lead(place));
    },
    isPossible,
  );
export const lead = lane.map((place) => leadBy(place, () => true));
/** A lost shard answers nothing: without this, most of a run would be spent in waiting for a leader. */
export const rebuild = lane.map((place) => leadBy(place, ({ shards }) => shards[place].lost !== undefined));

export const reconcile = lane.map((place) =>
  step(
    `reconcile(${place})`,
    async (model, real) => {
      await real.record(place);
      model.record(place);
      expect(await real.reconcile(place)).toBe(model.reconcile(place));
    },
    ({ shards }) => !shards[place].lost,
  ),
);
