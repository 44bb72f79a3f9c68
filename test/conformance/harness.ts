import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from '../../src/local/graphql-client.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';
import { type OwnRedis, serversOf, startOwnRedis } from '../support/own-redis.ts';
import { type TestProcess, waitFor } from '../support/setup.ts';
import { FOLDER_PREFIX } from '../support/sweep.ts';
import { type System, startSystem } from '../support/system.ts';
import { WORKER_LOGIN, WORKER_PREFIX, workerAclFile, workerRefusals } from '../support/worker-acl.ts';
import type { WorkerKind } from './workers.ts';

/** A task as a subscriber sees it. */
export interface Seen {
  id: string;
  status: string;
  attempt: number;
  progress: number | null;
  result: unknown;
  error: { message: string; code: string | null; stack: string | null } | null;
  runAt: string | null;
  startedAt: string | null;
  finishedAt: string | null;
}

/** A worker as the list of live ones has it. */
export interface Listed {
  id: string;
  language: string;
  host: string;
  queues: string[];
  concurrency: number;
  running: number;
  lastHeartbeatAt: string;
}

export interface LogLine {
  attempt: number;
  level: string;
  message: string;
  fields: unknown;
}

export interface ConformanceWorker {
  readonly id: string;
  readonly process: TestProcess;
}

/** One stack for all cases of a language: api, manager, a Redis of its own, and workers of the language. */
export interface Harness extends AsyncDisposable {
  readonly kind: WorkerKind;
  readonly system: System;
  readonly redis: OwnRedis;
  /** Starts a worker, with more settings than those of the stack, and waits for nothing. */
  spawnWorker(env?: Record<string, string>): TestProcess;
  /** What Redis refused the workers since the last call. Clients may try to tell it their names, in vain. */
  refusals(): Promise<string[]>;
  /** Starts a worker and waits until it is listed. It is killed at the end of the test, or of the file. */
  startWorker(env?: Record<string, string>): Promise<ConformanceWorker>;
  listed(): Promise<Listed[]>;
  /** Submits a task. @returns its id */
  submit(type: string, payload: unknown, more?: Record<string, unknown>): Promise<string>;
  /** Submits a task in a trace that a client began. @returns its id */
  submitTraced(type: string, traceparent: string): Promise<string>;
  /** The task as it is now, then each change, until its end. */
  watch(id: string): AsyncIterable<Seen>;
  /** Submits a task and watches it from before it began. Each state names the task. */
  watchNew(type: string, payload: unknown, more?: Record<string, unknown>): AsyncIterable<Seen>;
  /** Waits until a subscriber sees this. @throws Error when the task ends before */
  reached(id: string, condition: (seen: Seen) => boolean): Promise<Seen>;
  /** How the task ended. */
  ended(id: string): Promise<Seen>;
  /** Its transitions so far, as "STATUS attempt". */
  trail(id: string): Promise<string[]>;
  /** Its lines, as they come, until its end. */
  watchLogs(id: string): AsyncIterable<LogLine>;
  /** All that is kept of its lines. */
  keptLogs(id: string): Promise<LogLine[]>;
  cancel(id: string): Promise<void>;
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
}

/** Of the shared worker. Small enough to go past it. */
export const MAX_RESULT_BYTES = 300_000;

const SETTINGS = {
  MAX_RESULT_BYTES: String(MAX_RESULT_BYTES),
  MAX_PAYLOAD_BYTES: String(2 * MAX_RESULT_BYTES),
  REDIS_KEY_PREFIX: WORKER_PREFIX,
  // Only what a client traces.
  OTEL_TRACES_SAMPLER_ARG: '0',
  // A cancelled task ends through its worker, not at the managers' deadline.
  CANCEL_GRACE_MS: '30000',
};

/** Workers have the rights that the page on the protocol gives them, and no others. */
const WORKER_SETTINGS = { ...WORKER_LOGIN, TASKFLOW_CONFORMANCE: '1' };

const CREATE = 'mutation ($type: String!) { createTask(input: { type: $type }) { id } }';
const WATCH = `subscription ($id: ID!) { taskUpdated(id: $id) {
  id status attempt progress result runAt startedAt finishedAt error { message code stack } } }`;
const WATCH_LOGS = 'subscription ($id: ID!) { taskLogs(id: $id) { attempt level message fields } }';
const LOGS = `query ($id: ID!, $after: String) { task(id: $id) { logs(first: 500, after: $after) {
  pageInfo { hasNextPage endCursor } edges { node { attempt level message fields } } } } }`;
const WORKERS = '{ workers { id language host queues concurrency running lastHeartbeatAt } }';

interface LogPage {
  task: { logs: { pageInfo: { hasNextPage: boolean; endCursor: string | null }; edges: { node: LogLine }[] } };
}

export const startHarness = async (kind: WorkerKind): Promise<Harness> => {
  const folder = await mkdtemp(FOLDER_PREFIX);
  const aclfile = join(folder, 'users.acl');
  await writeFile(aclfile, await workerAclFile());
  const redis = await startOwnRedis({ aclfile });
  const receiver = await startOtlpReceiver();
  const system = await startSystem({ redis, settings: { ...SETTINGS, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } });
  await system.start('manager');
  const socket = system.socket();
  async function* subscribe<T>(query: string, id: string): AsyncGenerator<T> {
    for await (const { data, errors } of socket.iterate<Record<string, T>>({ query, variables: { id } })) {
      if (errors?.[0]) throw errors[0];
      for (const value of Object.values(data ?? {})) yield value;
    }
  }
  const listed = async () => (await system.graphql<{ workers: Listed[] }>(WORKERS)).workers;
  const watch = (id: string): AsyncIterable<Seen> => subscribe<Seen>(WATCH, id);
  const pause = async (queue: string) => {
    await system.graphql('mutation ($queue: String!) { pauseQueue(name: $queue) { name } }', { queue });
  };
  const resume = async (queue: string) => {
    await system.graphql('mutation ($queue: String!) { resumeQueue(name: $queue) { name } }', { queue });
  };
  const submit = async (type: string, payload: unknown, more?: Record<string, unknown>) =>
    (await system.submit(1, type, payload, more))[0] as string;
  async function* watchNew(type: string, payload: unknown, more?: Record<string, unknown>): AsyncGenerator<Seen> {
    const queue = `watched-${randomUUID()}`;
    await pause(queue);
    const id = await submit(type, payload, { ...more, queue });
    let isHeld = true;
    for await (const seen of watch(id)) {
      if (isHeld) await resume(queue);
      isHeld = false;
      yield seen;
    }
  }
  const spawnWorker = (env = {}) => kind.spawn({ ...system.app.env, ...WORKER_SETTINGS, ...env });
  return {
    kind,
    system,
    redis,
    spawnWorker,
    refusals: async () => {
      const servers = await serversOf(system.app.broker);
      const refusals = await Promise.all(servers.map(workerRefusals));
      return refusals.flat().filter((refusal) => !refusal.includes('setinfo'));
    },
    listed,
    watch,
    startWorker: async (env = {}) => {
      const known = new Set((await listed()).map(({ id }) => id));
      const process = spawnWorker(env);
      const isNew = async () => (await listed()).find(({ id }) => !known.has(id))?.id;
      const ended = process.exit.then(({ code, signal }) => {
        throw new Error(`the worker ended with ${code ?? signal}:\n${process.output()}`);
      });
      const id = await Promise.race([waitFor(isNew, { what: 'the worker is listed' }), ended]);
      ended.catch(() => undefined);
      return { id, process };
    },
    submit,
    submitTraced: async (type, traceparent) => {
      const headers = { authorization: `Bearer ${system.token}`, traceparent };
      return (await request<{ createTask: { id: string } }>(system.url, CREATE, { type }, headers)).createTask.id;
    },
    watchNew,
    reached: async (id, condition) => {
      let last: Seen | undefined;
      for await (const seen of watch(id)) {
        last = seen;
        if (condition(seen)) return seen;
      }
      throw new Error(`task ${id} ended without it: ${JSON.stringify(last)}`);
    },
    ended: async (id) => {
      let last: Seen | undefined;
      for await (const seen of watch(id)) last = seen;
      if (!last) throw new Error(`nothing was seen of task ${id}`);
      return last;
    },
    trail: async (id) => {
      const events = await system.app.database.taskEvent.findMany({ where: { taskId: id }, orderBy: { seq: 'asc' } });
      return events.map(({ status, attempt }) => `${status} ${attempt}`);
    },
    watchLogs: (id) => subscribe<LogLine>(WATCH_LOGS, id),
    keptLogs: async (id) => {
      const lines: LogLine[] = [];
      for (let after: string | null = null; ; ) {
        const { logs }: LogPage['task'] = (await system.graphql<LogPage>(LOGS, { id, after })).task;
        lines.push(...logs.edges.map(({ node }) => node));
        if (!logs.pageInfo.hasNextPage) return lines;
        after = logs.pageInfo.endCursor;
      }
    },
    cancel: async (id) => {
      await system.graphql('mutation ($id: ID!) { cancelTask(id: $id) { id } }', { id });
    },
    pause,
    resume,
    [Symbol.asyncDispose]: async () => {
      await socket.dispose();
      await system[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
};
