import fc from 'fast-check';
import { compare } from './compare.ts';
import type { Model } from './model.ts';
import type { LaneName, ModelTask } from './model-task.ts';
import type { RealSystem } from './real-system.ts';

export type Step = fc.AsyncCommand<Model, RealSystem>;

/**
 * One step: what it does to the real system and to the model, which must answer alike. Afterwards all state is compared.
 *
 * @param name with its arguments, as it stands in the report of a failure
 */
export const step = (
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
export const choose = <T>(from: readonly T[], picks: readonly number[]): T[] =>
  from.length === 0 ? [] : [...new Set(picks.map((pick) => from[pick % from.length] as T))];

export const idsOf = (tasks: readonly ModelTask[]): string[] => tasks.map(({ id }) => id);

/** How long leases are, and running tasks have to stop, in ms: nothing expires by itself. */
export const LEASE_MS = 3_600_000;

export const lane = fc.constantFrom<LaneName>('high', 'low', 'low');
export const queue = fc.constantFrom('q1', 'q2');
/** Numbers that choose: the first few of what there is come up more often. */
export const picks = fc.array(fc.oneof(fc.nat(3), fc.nat(50)), { minLength: 1, maxLength: 3 });
