import { parseArgs } from 'node:util';
import { benchLatency } from './latency.ts';
import { benchEndToEnd, benchFullQueue } from './process.ts';
import { type Figure, report, type Scale } from './report.ts';
import { type BenchStack, startBenchStack } from './stack.ts';
import { benchSubmit } from './submit.ts';

const SCENARIOS: Record<string, (stack: BenchStack, scale: Scale) => Promise<Figure[]>> = {
  submit: benchSubmit,
  'full-queue': benchFullQueue,
  'end-to-end': benchEndToEnd,
  latency: benchLatency,
};

/**
 * `npm run bench -- [--rounds 3] [--scale 1] [scenario …]`
 *
 * Every scenario of a round has a PostgreSQL and a Redis of its own. `--scale 0.01` is a short run that only shows
 * that everything still works.
 */
const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, scale: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const scale: Scale = (count) => Math.max(1, Math.round(count * Number(values.scale)));
const names = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
const unknown = names.filter((name) => !(name in SCENARIOS));
if (unknown.length > 0) {
  process.stderr.write(`There is no scenario ${unknown.join(', ')}; there are ${Object.keys(SCENARIOS).join(', ')}.\n`);
  process.exit(64);
}

const rounds: Figure[][] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const figures: Figure[] = [];
  for (const name of names) {
    await using stack = await startBenchStack();
    figures.push(...((await SCENARIOS[name]?.(stack, scale)) ?? []));
  }
  rounds.push(figures);
}
process.stdout.write(`${report(rounds)}\n`);
