import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { freePort } from '../../src/local/free-port.ts';
import type { Change } from '../../src/realtime/change.ts';
import { publishChanges } from '../../src/realtime/publish.ts';
import { Children } from '../children.ts';
import type { Servers } from '../servers.ts';
import { Subscribers } from '../subscribers.ts';
import { openTaskFlow, taskflow, taskflowEnv } from '../systems/taskflow.ts';
import type { Figure, Scenario } from './scenario.ts';
import { transitionOf } from './transition.ts';

const SERVER = fileURLToPath(new URL('../workers/fan-out.ts', import.meta.url));
/** Of each task. */
const EVENTS = 10;
/** Transitions in one message of a recorder. */
const BATCH = 500;
const DEFAULT_WAY = 'graphql-ws and graphql-redis-subscriptions';

const heapOf = async (server: ChildProcess): Promise<number> => {
  const said = new Promise<number>((resolve) => {
    const listen = (chunk: Buffer): void => {
      const [, heap] = /heap (\d+)/.exec(chunk.toString()) ?? [];
      if (heap === undefined) return;
      server.stdout?.off('data', listen);
      resolve(Number(heap));
    };
    server.stdout?.on('data', listen);
  });
  server.kill('SIGUSR2');
  return said;
};

interface Way {
  system: string;
  keeps: string;
  front: string;
  /** Makes tasks, and says how one more transition of each is published. */
  prepare: (servers: Servers, count: number) => Promise<Prepared>;
}

interface Prepared extends AsyncDisposable {
  ids: string[];
  params: object;
  isSeeded: boolean;
  /** Waits until all subscriptions stand. */
  untilStanding: () => Promise<void>;
  publish: (seq: number) => Promise<void>;
}

const prepareTaskFlow = async (servers: Servers, count: number): Promise<Prepared> => {
  const system = await openTaskFlow(servers);
  const { services, ownerId } = system;
  const ids = await system.submitKnown(count);
  const { token } = await services.tokens.issue({ id: ownerId, tokenVersion: 0 });
  const { low } = services.broker;
  const changeOf = (taskId: string, i: number, seq: number): Change =>
    transitionOf({ ownerId, taskId, seq, position: count * (seq - 1) + i + 1 });
  return {
    ids,
    params: { authorization: `Bearer ${token}` },
    isSeeded: true,
    untilStanding: async () => undefined,
    publish: async (seq) => {
      const changes = ids.map((id, i) => changeOf(id, i, seq));
      for (let start = 0; start < count; start += BATCH) {
        await publishChanges(services.broker, low, changes.slice(start, start + BATCH));
      }
    },
    [Symbol.asyncDispose]: () => system[Symbol.asyncDispose](),
  };
};

const prepareDefault = async ({ redisPort }: Servers, count: number): Promise<Prepared> => {
  const redis = new Redis({ port: redisPort });
  const ids = Array.from({ length: count }, (_, i) => String(i));
  return {
    ids,
    params: {},
    isSeeded: false,
    untilStanding: async () => {
      while (((await redis.pubsub('CHANNELS', 'task:*')) as string[]).length < count) await delay(10);
    },
    publish: async (seq) => {
      const event = { status: seq % 2 === 0 ? 'PROCESSING' : 'QUEUED', attempt: Math.ceil(seq / 2) };
      await Promise.all(ids.map((id) => redis.publish(`task:${id}`, JSON.stringify({ id, ...event }))));
    },
    [Symbol.asyncDispose]: async () => redis.disconnect(),
  };
};

const WAYS: readonly Way[] = [
  { system: taskflow.name, keeps: taskflow.keeps, front: 'taskflow', prepare: prepareTaskFlow },
  { system: DEFAULT_WAY, keeps: 'nothing: who is away misses the event', front: 'default', prepare: prepareDefault },
];

const measure = async ({ system, front, prepare }: Way, servers: Servers, count: number): Promise<Figure[]> => {
  await using prepared = await prepare(servers, count);
  const children = new Children();
  const subscribers = new Subscribers();
  try {
    const port = await freePort();
    const env = { ...taskflowEnv(servers, port), FRONT: front };
    const server = await children.start(['--expose-gc', SERVER], env, 'ready');
    const before = await heapOf(server);
    await subscribers.open(`ws://127.0.0.1:${port}/graphql`, prepared.ids, prepared.params, prepared.isSeeded);
    await prepared.untilStanding();
    // A first transition warms up.
    await prepared.publish(2);
    await subscribers.received(count);
    const heap = ((await heapOf(server)) - before) / count;
    const startedAt = performance.now();
    for (let seq = 3; seq < EVENTS + 3; seq++) await prepared.publish(seq);
    await subscribers.received(count * (EVENTS + 1));
    const value = ((count * EVENTS) / (performance.now() - startedAt)) * 1_000;
    return [
      { name: 'deliver to 5,000 subscribers', system, value, unit: 'events/s' },
      { name: 'heap of a subscriber', system, value: heap, unit: 'bytes' },
    ];
  } finally {
    subscribers.close();
    await children.stop();
  }
};

/** Transitions of 5,000 tasks, each watched by a socket of its own, as they leave the recorder. */
export const fanOut: Scenario = {
  name: 'fan-out',
  contestants: WAYS.map(({ system, keeps }) => ({ name: system, keeps })),
  run: async ({ scale, number, servers }) => {
    const figures: Figure[] = [];
    for (let i = 0; i < WAYS.length; i++) {
      const way = WAYS[(i + number) % WAYS.length] as Way;
      figures.push(...(await measure(way, await servers.fresh(), scale(5_000))));
    }
    return figures;
  },
};
