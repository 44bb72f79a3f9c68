import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { freePort } from '../../src/local/free-port.ts';
import { Children } from '../children.ts';
import type { Servers } from '../servers.ts';
import { bullmq } from '../systems/bullmq.ts';
import { PAYLOAD } from '../systems/system.ts';
import { openTaskFlow, signUp, taskflow, taskflowEnv } from '../systems/taskflow.ts';
import type { Figure, Scenario } from './scenario.ts';

const FRONT = fileURLToPath(new URL('../workers/bullmq-front.ts', import.meta.url));
const MUTATION = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }';
const BODY = JSON.stringify({ query: MUTATION, variables: { input: { type: 'echo', payload: PAYLOAD } } });
const CONNECTIONS = 100;
/** Mutations before those that count, for each of these: V8 goes on compiling for about 45,000, whatever the server. */
const WARM_UP = 3;

/** How many mutations a second a server answers. @throws Error when one of them failed */
const measure = async (url: string, amount: number, headers: Record<string, string>): Promise<number> => {
  let lastAnswerAt = 0;
  const run = (count: number) =>
    new Promise<autocannon.Result>((resolve, reject) => {
      const load = autocannon(
        {
          url: `${url}/graphql`,
          method: 'POST',
          connections: Math.min(CONNECTIONS, count),
          amount: count,
          headers: { 'content-type': 'application/json', ...headers },
          body: BODY,
          verifyBody: (body) => String(body).includes('"createTask":{"id":'),
        },
        (error, result) => (error ? reject(error) : resolve(result)),
      );
      // Its own end comes with the next full second.
      load.on('response', () => {
        lastAnswerAt = performance.now();
      });
    });
  await run(amount * WARM_UP);
  const startedAt = performance.now();
  const { mismatches, errors, non2xx } = await run(amount);
  if (mismatches + errors + non2xx > 0) throw new Error(`${mismatches + errors + non2xx} mutations failed`);
  return (amount / (lastAnswerAt - startedAt)) * 1_000;
};

const ofTaskFlow = async (servers: Servers, amount: number): Promise<number> => {
  await using system = await openTaskFlow(servers);
  const { url } = await system.startApi();
  return await measure(url, amount, await signUp(url));
};

const ofBullMq = async (servers: Servers, amount: number, front: 'yoga' | 'taskflow'): Promise<number> => {
  await using system = await openTaskFlow(servers);
  const port = await freePort();
  const children = new Children();
  const env = { ...taskflowEnv(servers, port), FRONT: front, QUEUE: 'bench' };
  try {
    await children.start([FRONT], env, 'ready');
    // The accounts are TaskFlow's own.
    const headers = front === 'taskflow' ? await signUp((await system.startApi()).url) : {};
    return await measure(`http://127.0.0.1:${port}`, amount, headers);
  } finally {
    await children.stop();
  }
};

/** Beside what is kept, the table says what a front does for it. */
const PLAIN = 'its front asks for no credentials and counts no requests';
const OURS = 'credentials, limits and validation are as in TaskFlow';

const WAYS: [system: string, keeps: string, rate: (servers: Servers, amount: number) => Promise<number>][] = [
  [taskflow.name, taskflow.keeps, ofTaskFlow],
  [
    `Yoga and ${bullmq.name}, no credentials, no limits`,
    `${bullmq.keeps}; ${PLAIN}`,
    (servers, amount) => ofBullMq(servers, amount, 'yoga'),
  ],
  [
    `our front and ${bullmq.name}, with both`,
    `${bullmq.keeps}; ${OURS}`,
    (servers, amount) => ofBullMq(servers, amount, 'taskflow'),
  ],
];

/** `createTask` over HTTP on 100 connections: as TaskFlow answers it, and with BullMQ behind two GraphQL servers. */
export const httpSubmit: Scenario = {
  name: 'http-submit',
  contestants: WAYS.map(([name, keeps]) => ({ name, keeps })),
  run: async ({ scale, number, servers }) => {
    const figures: Figure[] = [];
    for (let i = 0; i < WAYS.length; i++) {
      const [system, , rate] = WAYS[(i + number) % WAYS.length] as (typeof WAYS)[number];
      const value = await rate(await servers.fresh(), scale(20_000));
      figures.push({ name: 'createTask through GraphQL, 100 connections', system, value, unit: 'tasks/s' });
    }
    return figures;
  },
};
