import { readFileSync } from 'node:fs';
import { publishChanges } from '../../src/realtime/publish.ts';
import { quantile } from '../quantile.ts';
import { Subscribers } from '../subscribers.ts';
import { openTaskFlow, taskflow } from '../systems/taskflow.ts';
import type { Figure, Scenario } from './scenario.ts';
import { transitionOf } from './transition.ts';

/** Transitions that are timed, each sent when the one before it has arrived. */
const TIMES = 500;

/** Many sockets on one api process, each with a subscription: what they take, and how soon a transition is seen. */
export const sockets: Scenario = {
  name: 'sockets',
  contestants: [taskflow],
  run: async ({ scale, servers }) => {
    await using system = await openTaskFlow(await servers.fresh());
    const { services, ownerId } = system;
    const { url, pid } = await system.startApi();
    const before = residentBytes(pid);
    const ids = await system.submitKnown(scale(10_000));
    const { token } = await services.tokens.issue({ id: ownerId, tokenVersion: 0 });
    let arrived = (_id: string): void => {};
    const subscribers = new Subscribers((id) => arrived(id));
    try {
      await subscribers.open(`${url.replace('http', 'ws')}/graphql`, ids, { authorization: `Bearer ${token}` }, true);
      const memory = (residentBytes(pid) - before) / ids.length;
      const times: number[] = [];
      for (let n = 0; n < TIMES; n++) {
        const id = ids[n % ids.length] as string;
        const seq = Math.floor(n / ids.length) + 2;
        const seen = new Promise<void>((resolve) => {
          arrived = (at) => at === id && resolve();
        });
        const startedAt = performance.now();
        await publishChanges(services.broker, services.broker.low, [
          transitionOf({ ownerId, taskId: id, seq, position: ids.length + n + 1 }),
        ]);
        await seen;
        times.push(performance.now() - startedAt);
      }
      const figure = (name: string, value: number, unit: Figure['unit']): Figure => ({
        name: `10,000 sockets on one api: ${name}`,
        system: taskflow.name,
        value,
        unit,
      });
      return [
        figure('memory of one (RSS)', memory, 'bytes'),
        figure('published → seen, p50', quantile(times, 0.5), 'ms'),
        figure('published → seen, p99', quantile(times, 0.99), 'ms'),
      ];
    } finally {
      subscribers.close();
    }
  },
};

const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
