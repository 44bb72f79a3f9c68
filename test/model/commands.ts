import fc from 'fast-check';
import { expect } from 'vitest';
import { cancel, claim, complete, extendLeases, fail, promote, reap, release } from '../../src/broker/calls.ts';
import { compare } from './compare.ts';
import type { ClaimWish, Model } from './model.ts';
import { byId, type LaneName, type ModelAttempt, ModelTask, type TaskSpec } from './model-task.ts';
import { LATER_MS, orNotReady, type RealSystem } from './real-system.ts';

type Step = fc.AsyncCommand<Model, RealSystem>;

/**
 * One step: what it does to the real system and to the model, which must answer alike. Afterwards all state is compared.
 *
 * @param name with its arguments, as it stands in the report of a failure
 */
const step = (
  name: string,
  run: (model: Model, real: RealSystem) => Promise<void>,
  isPossible: (model: Model) => boolean = () => true,
): Step => ({
  check: isPossible,
  toString: () => name,
  run: async (model, real) => {
    await run(model, real);
    await compare(model, real);
  },
});

/** Arguments cannot name tasks, whose ids differ from run to run: they are numbers, which choose among those there are. */
const choose = <T>(from: readonly T[], picks: readonly number[]): T[] =>
  from.length === 0 ? [] : [...new Set(picks.map((pick) => from[pick % from.length] as T))];

const idsOf = (tasks: readonly ModelTask[]): string[] => tasks.map(({ id }) => id);

const LEASE_EXPIRED = {
  message: 'The worker stopped without a word, and no attempts are left.',
  code: 'LEASE_EXPIRED',
};
const CANCEL_REASON = { reason: 'CANCELLED', message: 'no longer needed' };
const LEASE_MS = 3_600_000;

const lane = fc.constantFrom<LaneName>('high', 'low', 'low');
const queue = fc.constantFrom('q1', 'q2');
/** Numbers that choose: the first few of what there is come up more often. */
const picks = fc.array(fc.oneof(fc.nat(3), fc.nat(50)), { minLength: 1, maxLength: 3 });
const spec: fc.Arbitrary<TaskSpec> = fc.record({
  queue,
  type: fc.constantFrom('t1', 't2'),
  priority: fc.constantFrom('HIGH', 'NORMAL', 'NORMAL', 'LOW'),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  isDelayed: fc.constantFrom(false, false, false, true),
});
const wish: fc.Arbitrary<ClaimWish> = fc.record({
  worker: fc.constantFrom('w1', 'w2'),
  limit: fc.integer({ min: 1, max: 4 }),
  queues: fc.constantFrom('*', '*', 'q1', 'q2'),
  types: fc.constantFrom('t1,t2', 't1,t2', 't1', 't2'),
  lowFirst: fc.constantFrom(0, 0, 1),
});

const submit = fc.tuple(fc.array(spec, { minLength: 1, maxLength: 4 }), fc.nat(9)).map(([specs, luck]) => {
  const isHandedOver = luck < 8;
  return step(`submit(${JSON.stringify(specs)}${isHandedOver ? '' : ', and die'})`, async (model, real) => {
    const ids = await real.submit(specs, isHandedOver);
    model.submit(
      ids.map((id, i) => new ModelTask(id, specs[i] as TaskSpec)),
      isHandedOver,
    );
  });
});

const claimTasks = fc.tuple(lane, wish).map(([place, asked]) =>
  step(`claim(${place}, ${JSON.stringify(asked)})`, async (model, real) => {
    const claims = await orNotReady(claim(real.shard(place), { ...asked, leaseMs: LEASE_MS }));
    if (claims === 'NOTREADY' || model.shards[place].lost) {
      expect(claims).toBe(model.shards[place].lost ? 'NOTREADY' : 'claims');
      return;
    }
    let left = asked.limit;
    let given = claims.map((each) => each.id);
    for (const lines of model.claimable(place, asked)) {
      const waiting = lines.flat();
      const here = given.slice(0, Math.min(left, waiting.length));
      // As many as there are of this priority, and of each line the first ones, in order.
      expect(here).toHaveLength(Math.min(left, waiting.length));
      for (const line of lines) {
        const taken = here.filter((id) => line.some((task) => task.id === id));
        expect(taken).toEqual(idsOf(line.slice(0, taken.length)));
      }
      expect(here.every((id) => waiting.some((task) => task.id === id))).toBe(true);
      given = given.slice(here.length);
      left -= here.length;
    }
    expect(given).toEqual([]);
    for (const each of claims) {
      const task = model.tasks.find(({ id }) => id === each.id) as ModelTask;
      model.claimed(task, each.token, asked.worker);
      expect(each).toMatchObject({
        attempt: task.last.attempt,
        queue: task.spec.queue,
        type: task.spec.type,
        payload: expect.stringMatching(/^\{"n": ?1\}$/),
      });
    }
  }),
);

/** A worker reports attempts that it has, or had. */
const report = <T>(
  name: string,
  more: fc.Arbitrary<T>,
  real: (system: RealSystem, place: LaneName, attempts: readonly ModelAttempt[], args: T) => Promise<string[]>,
  expected: (model: Model, attempt: ModelAttempt, args: T) => boolean,
): fc.Arbitrary<Step> =>
  fc.tuple(picks, more).map(([chosen, args]) =>
    step(
      `${name}(${chosen.join(' ')}, ${JSON.stringify(args)})`,
      async (model, system) => {
        // Those that still run are chosen most often, then the newest of those that do not.
        const isOver = ({ task, token }: ModelAttempt): number => (task.holder?.token === token ? 0 : 1);
        const all = choose(
          model.attempts.toReversed().sort((a, b) => isOver(a) - isOver(b)),
          chosen,
        );
        const [first] = all as [ModelAttempt];
        const attempts = all.filter(({ task, worker }) => task.lane === first.task.lane && worker === first.worker);
        const place = first.task.lane;
        const lost = await orNotReady(real(system, place, attempts, args));
        if (model.shards[place].lost) return expect(lost).toBe('NOTREADY');
        const expectedLost = attempts.filter((attempt) => expected(model, attempt, args));
        expect(lost).toEqual(expectedLost.map(({ task }) => task.id));
      },
      ({ attempts }) => attempts.length > 0,
    ),
  );

const itemOf = ({ task, token }: ModelAttempt) => ({ id: task.id, token });
const workerOf = (attempts: readonly ModelAttempt[]): string => attempts[0]?.worker ?? '';

const completeTasks = report(
  'complete',
  fc.constant({ done: true }),
  (system, place, attempts, result) =>
    complete(
      system.shard(place),
      { worker: workerOf(attempts) },
      attempts.map((attempt) => ({ ...itemOf(attempt), result: JSON.stringify(result) })),
    ),
  (model, attempt, result) => model.complete(attempt, result),
);

const failTasks = report(
  'fail',
  fc.constantFrom(true, true, true, false),
  (system, place, attempts, mayRetry) =>
    fail(
      system.shard(place),
      { worker: workerOf(attempts) },
      attempts.map((attempt) => ({
        ...itemOf(attempt),
        error: '{"message":"it broke"}',
        retry: mayRetry ? 1 : 0,
        delayMs: LATER_MS,
      })),
    ),
  (model, attempt, mayRetry) => model.fail(attempt, { message: 'it broke' }, mayRetry),
);

const releaseTasks = report(
  'release',
  fc.constant(null),
  (system, place, attempts) => release(system.shard(place), { worker: workerOf(attempts) }, attempts.map(itemOf)),
  (model, attempt) => model.release(attempt),
);

const extendThem = report(
  'extend',
  fc.constant(null),
  async (system, place, attempts) =>
    (await extendLeases(system.shard(place), { leaseMs: LEASE_MS }, attempts.map(itemOf))).lost,
  (_model, attempt) => attempt.task.holder !== attempt,
);

const cancelTasks = picks.map((chosen) =>
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

const expireLeases = timer(
  'expire',
  'leases',
  ({ holder }) => holder !== undefined,
  reapAll,
  (model, task) => model.takeBack(task, LEASE_EXPIRED),
);
const passDeadlines = timer(
  'passDeadline',
  'cancel-deadlines',
  ({ stopReason }) => stopReason !== undefined,
  reapAll,
  (model, task) => model.takeBack(task, LEASE_EXPIRED),
);
const promoteTasks = timer(
  'promote',
  'scheduled',
  ({ status, isLive }) => isLive && status === 'SCHEDULED',
  async (real, place) => (await promote(real.shard(place), { limit: 100 })).promoted,
  (model, task) => model.promote(task),
);

const pauseQueue = fc.tuple(queue, fc.constantFrom(true, false, false)).map(([name, isPaused]) =>
  step(`${isPaused ? 'pause' : 'resume'}(${name})`, async (model, real) => {
    await real.setPaused(name, isPaused);
    model.setPaused(name, isPaused);
  }),
);

const record = lane.map((place) =>
  step(`record(${place})`, async (model, real) => {
    await real.record(place);
    model.record(place);
  }),
);

const retry = picks.map((chosen) =>
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

const refreshEpochs = fc.constant(
  step('refreshEpochs()', async (model, real) => {
    await real.refreshEpochs();
    model.refreshEpochs();
  }),
);

const flushAll = fc.constant(
  step('FLUSHALL', async (model, real) => {
    await real.loseBroker();
    model.loseBroker();
  }),
);

const loseMeta = lane.map((place) =>
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
const lead = lane.map((place) => leadBy(place, () => true));
/** A lost shard answers nothing: without this, most of a run would be spent in waiting for a leader. */
const rebuild = lane.map((place) => leadBy(place, ({ shards }) => shards[place].lost !== undefined));

const reconcile = lane.map((place) =>
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

/** How often each comes up, against the others. */
const WEIGHTS: readonly [number, fc.Arbitrary<Step>][] = [
  [6, submit],
  [8, claimTasks],
  [3, completeTasks],
  [4, failTasks],
  [2, releaseTasks],
  [1, extendThem],
  [6, cancelTasks],
  [6, expireLeases],
  [8, passDeadlines],
  [4, promoteTasks],
  [1, pauseQueue],
  [3, record],
  [3, retry],
  [1, refreshEpochs],
  [1, flushAll],
  [2, loseMeta],
  [1, lead],
  [3, rebuild],
  [2, reconcile],
];

/** Sequences of up to `maxSteps` steps. `replayPath` repeats one of a failed run. */
export const sequences = (maxSteps: number, replayPath: string | undefined): fc.Arbitrary<Iterable<Step>> =>
  fc.commands(
    WEIGHTS.flatMap(([weight, arbitrary]) => Array.from({ length: weight }, () => arbitrary)),
    { maxCommands: maxSteps, size: 'max', ...(replayPath === undefined ? {} : { replayPath }) },
  );
