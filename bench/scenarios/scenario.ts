import type { RunningServers, Servers } from '../servers.ts';
import type { Contestant, System } from '../systems/system.ts';

/** One measured value of one system. */
export interface Figure {
  /** What was measured: "process a full queue, 1 worker". */
  name: string;
  system: string;
  value: number;
  unit: 'tasks/s' | 'events/s' | 'ms' | 'bytes';
  /** Of those that show how a cost grows: the plot that they share, and how many there were. */
  growth?: { plot: string; count: number };
}

/** Makes a full-size count the size of this run. */
export type Scale = (count: number) => number;

export interface Round {
  scale: Scale;
  /** Counts from 0. Each begins with another system, so that none always has the fresh machine. */
  number: number;
  servers: RunningServers;
}

export interface Scenario {
  readonly name: string;
  readonly contestants: readonly { readonly name: string; readonly keeps: string }[];
  /** Measures all systems once, one after the other. */
  run(round: Round): Promise<Figure[]>;
}

/** Runs `measure` for each contestant on empty servers. */
export const eachAlone = async (
  contestants: readonly Contestant[],
  { number, servers: running }: Round,
  measure: (system: System, contestant: Contestant, servers: Servers) => Promise<Figure[]>,
): Promise<Figure[]> => {
  const first = number % contestants.length;
  const figures: Figure[] = [];
  for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)]) {
    const servers = await running.fresh();
    await using system = await contestant.open(servers);
    figures.push(...(await measure(system, contestant, servers)));
  }
  return figures;
};

/** @returns how many a second */
export const rateOf = async (count: number, run: () => Promise<void>): Promise<number> => {
  const startedAt = performance.now();
  await run();
  return (count / (performance.now() - startedAt)) * 1_000;
};
