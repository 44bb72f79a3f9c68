import fc from 'fast-check';
import { expect } from 'vitest';
import { claim, complete, extendLeases, fail, release } from '../../src/broker/calls.ts';
import type { ClaimWish, Model } from './model.ts';
import type { LaneName, ModelAttempt, ModelTask } from './model-task.ts';
import { LATER_MS, orNotReady, type RealSystem } from './real-system.ts';
import { choose, idsOf, LEASE_MS, lane, picks, type Step, step } from './step.ts';

const wish: fc.Arbitrary<ClaimWish> = fc.record({
  worker: fc.constantFrom('w1', 'w2'),
  limit: fc.integer({ min: 1, max: 4 }),
  queues: fc.constantFrom('*', '*', 'q1', 'q2'),
  types: fc.constantFrom('t1,t2', 't1,t2', 't1', 't2'),
  lowFirst: fc.constantFrom(0, 0, 1),
});

export const claimTasks = fc.tuple(lane, wish).map(([place, asked]) =>
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

export const completeTasks = report(
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

export const failTasks = report(
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

export const releaseTasks = report(
  'release',
  fc.constant(null),
  (system, place, attempts) => release(system.shard(place), { worker: workerOf(attempts) }, attempts.map(itemOf)),
  (model, attempt) => model.release(attempt),
);

export const extendThem = report(
  'extend',
  fc.constant(null),
  async (system, place, attempts) =>
    (await extendLeases(system.shard(place), { leaseMs: LEASE_MS }, attempts.map(itemOf))).lost,
  (_model, attempt) => attempt.task.holder !== attempt,
);
