import { waitFor } from './setup.ts';
import type { System } from './system.ts';

/** Submits without a pause until it is ended, in small portions. */
export const keepSubmitting = (system: System) => {
  let [accepted, isEnded] = [0, false];
  const submitting = (async () => {
    for (let i = 0; !isEnded; i++) {
      const priority = i % 3 === 0 ? 'HIGH' : 'NORMAL';
      accepted += (await system.submit(20, i % 2 === 0 ? 'echo' : 'sleep', { ms: 20 }, { priority })).length;
    }
  })();
  return {
    accepted: () => accepted,
    end: async (): Promise<number> => {
      isEnded = true;
      await submitting;
      return accepted;
    },
  };
};

/** The lowest epoch of a shard changes by two when it is rebuilt. */
export const epochOf = async ({ app }: System): Promise<number> =>
  Number((await app.database.shard.findUniqueOrThrow({ where: { id: 'low:0' } })).epoch);

const completed = async (system: System): Promise<number> => (await system.countByStatus()).COMPLETED ?? 0;

/** Waits until so many more are. */
export const completeMore = async (system: System, count: number): Promise<void> => {
  const before = await completed(system);
  await waitFor(async () => (await completed(system)) > before + count, { what: 'it goes on', timeoutMs: 30_000 });
};
