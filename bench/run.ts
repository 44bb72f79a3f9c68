import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writePlots } from './plot.ts';
import { describeMachine, summarise, toTable } from './report.ts';
import { fanOut } from './scenarios/fan-out.ts';
import { growth } from './scenarios/growth.ts';
import { httpSubmit } from './scenarios/http-submit.ts';
import { latency } from './scenarios/latency.ts';
import { memory } from './scenarios/memory.ts';
import type { Figure, Scale, Scenario } from './scenarios/scenario.ts';
import { sockets } from './scenarios/sockets.ts';
import { bothAtOnce, bulkSubmit, fullQueue, singleSubmit } from './scenarios/throughput.ts';
import { describeServers, startServers } from './servers.ts';

const SCENARIOS: readonly Scenario[] = [
  fullQueue,
  bulkSubmit,
  singleSubmit,
  httpSubmit,
  bothAtOnce,
  latency,
  fanOut,
  sockets,
  memory,
  growth,
];
const RESULTS = fileURLToPath(new URL('./results', import.meta.url));

/**
 * `npm run bench -- [--rounds 3] [--scale 1] [--out bench/results] [scenario …]`
 *
 * Prints a table, and writes it with the raw figures (JSON) and a plot of each (SVG). The systems of a scenario
 * have the same servers, emptied in between; rounds begin with another one each time. `--scale 0.01` is a short run that only shows that everything works.
 */
const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    out: { type: 'string', default: RESULTS },
  },
  allowPositionals: true,
});
const scale: Scale = (count) => Math.max(1, Math.round(count * Number(values.scale)));
const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown.length > 0) {
  const known = SCENARIOS.map(({ name }) => name).join(', ');
  process.stderr.write(`There is no scenario ${unknown.join(', ')}; there are ${known}.\n`);
  process.exit(64);
}
const chosen = SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

const rounds: Figure[][] = [];
let described: string | undefined;
for (let number = 0; number < Number(values.rounds); number++) {
  const figures: Figure[] = [];
  for (const scenario of chosen) {
    process.stderr.write(`round ${number + 1}: ${scenario.name}\n`);
    await using servers = await startServers();
    figures.push(...(await scenario.run({ scale, number, servers })));
    described ??= await describeServers(await servers.fresh());
  }
  rounds.push(figures);
}
const summaries = summarise(rounds);
const keeps = new Map(chosen.flatMap(({ contestants }) => contestants.map(({ name, keeps }) => [name, keeps])));
const text = [
  `${describeMachine()}; ${described}; ${rounds.length} rounds`,
  '',
  toTable(summaries),
  '',
  'What is kept of a task that ended:',
  '',
  ...[...keeps].map(([name, kept]) => `- ${name}: ${kept}`),
].join('\n');
process.stdout.write(`${text}\n`);
mkdirSync(values.out, { recursive: true });
writeFileSync(
  join(values.out, 'figures.json'),
  `${JSON.stringify({ machine: describeMachine(), rounds }, undefined, 2)}\n`,
);
writeFileSync(join(values.out, 'table.md'), `${text}\n`);
await writePlots(join(values.out, 'plots'), summaries);
// Some of the peers keep timers and connections after they were closed.
process.exit();
