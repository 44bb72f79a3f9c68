/**
 * Random sequences of what submitters, workers, users and managers do, and of what may go wrong, against real Redis and
 * PostgreSQL, compared with a model after each step.
 *
 * A failure prints the steps to which it could be reduced, with "seed", "path" and "replayPath". To repeat it:
 *
 *     MODEL_REPLAY='{"seed":1,"path":"3:1:0","replayPath":"AAAB:C"}' vitest run test/model
 *
 * MODEL_RUNS says how many sequences are tried. Default: 200, of up to 80 steps, which takes about 20 s; beyond 40 s it
 * stops.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { Model } from './model.ts';
import { RealSystem } from './real-system.ts';
import { sequences } from './sequences.ts';

const RUNS = Number(process.env.MODEL_RUNS ?? 200);
const MAX_STEPS = 80;
const TIME_LIMIT_MS = RUNS > 200 ? 3_600_000 : 40_000;

const { replayPath, ...replay }: { seed?: number; path?: string; replayPath?: string } = JSON.parse(
  process.env.MODEL_REPLAY ?? '{}',
);

let real: RealSystem;

beforeAll(async () => {
  real = await RealSystem.start();
});
afterAll(() => real[Symbol.asyncDispose]());

test(
  'does what the model says, whatever happens',
  () =>
    fc.assert(
      fc.asyncProperty(sequences(MAX_STEPS, replayPath), async (steps) => {
        await fc.asyncModelRun(async () => {
          await real.reset();
          const model = new Model();
          for (const lane of ['high', 'low'] as const) model.lead(lane);
          model.refreshEpochs();
          return { model, real };
        }, steps);
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: TIME_LIMIT_MS, ...replay },
    ),
  TIME_LIMIT_MS + 20_000,
);
