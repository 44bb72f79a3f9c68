import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import {
  ApiError,
  type Task,
  TaskFailedError,
  TaskFlow,
  type TaskTransition,
  taskRef,
} from '../../src/client/index.ts';
import { freePort } from '../../src/local/free-port.ts';
import { spawnNode, waitFor } from '../support/setup.ts';
import { type StallingProxy, startStallingProxy } from '../support/stalling-proxy.ts';
import { type System, startSystem } from '../support/system.ts';
import { order, refuse, sum } from './tasks/shop.ts';

const TASKS = fileURLToPath(new URL('tasks', import.meta.url));

let system: System;
let client: TaskFlow;

beforeAll(async () => {
  system = await startSystem();
  await system.start('manager');
  await system.start('worker', { WORKER_TASKS: TASKS });
  client = new TaskFlow({ url: system.url, token: system.token });
  await waitFor(async () => {
    const { taskTypes } = await system.graphql<{ taskTypes: { type: string }[] }>('{ taskTypes { type } }');
    return taskTypes.some(({ type }) => type === 'order');
  });
}, 120_000);
afterAll(async () => {
  await client.close();
  await system[Symbol.asyncDispose]();
});

const collect = async (transitions: AsyncIterable<TaskTransition>): Promise<TaskTransition[]> => {
  const seen: TaskTransition[] = [];
  for await (const transition of transitions) seen.push(transition);
  return seen;
};

describe('the client', () => {
  test('submits by a definition, with its types and the defaults of its type, and waits for the result', async () => {
    const task = await client.submit(order, { items: ['tea', 'cup'] }, { tags: ['shop'] });
    expect(task).toMatchObject({ type: 'order', maxAttempts: 5, timeoutMs: 20_000, queue: 'default', tags: ['shop'] });
    expect(task.createdAt).toBeInstanceOf(Date);
    const result = await client.result(task);
    expectTypeOf(result).toEqualTypeOf<{ count: number; note: string }>();
    expect(result).toEqual({ count: 2, note: 'none' });
    const again = await client.result(task.id, { task: order });
    expectTypeOf(again).toEqualTypeOf<{ count: number; note: string }>();
    expect(again).toEqual(result);
    // @ts-expect-error No such payload.
    await expect(client.submit(order, { items: 'tea' })).rejects.toMatchObject({
      name: 'ApiError',
      code: 'BAD_USER_INPUT',
      field: 'input.payload.items',
    });
  });

  test('submits by a name, or by a reference to a type that another language runs', async () => {
    const plain = await client.submit('echo', { n: 1 }, { priority: 'HIGH', maxAttempts: 2, timeoutMs: 9_000 });
    expectTypeOf(plain).toEqualTypeOf<Task<unknown>>();
    expect(plain).toMatchObject({ maxAttempts: 2, timeoutMs: 9_000, priority: 'HIGH' });
    const echo = taskRef<{ n: number }, { n: number }>('echo');
    const typed = await client.result(await client.submit(echo, { n: 2 }));
    expectTypeOf(typed).toEqualTypeOf<{ n: number }>();
    expect([await client.result(plain), typed]).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await client.get(plain)).toMatchObject({ id: plain.id, status: 'COMPLETED', result: { n: 1 } });
  });

  test('submits tasks that wait for others, whose results they get', async () => {
    const orders = await client.submitMany(order, [{ items: ['a', 'b'] }, { items: ['c'] }]);
    const refused = await client.submit(refuse, null);
    const total = await client.submit(sum, null, { dependsOn: orders });
    const rescued = await client.submit(sum, null, {
      dependsOn: [refused.id, ...orders],
      onParentFailure: 'RUN',
    });
    const cancelled = await client.submit(sum, null, { dependsOn: [refused] });
    expect(total.status).toBe('WAITING');
    expect(await client.result(total)).toBe(3);
    expect(await client.result(rescued)).toBe(3);
    await expect(client.result(cancelled)).rejects.toMatchObject({ name: 'TaskFailedError', status: 'CANCELLED' });
  });

  test('submits many at once, all or none', async () => {
    const tasks = await client.submitMany(order, [{ items: ['a'] }, { items: ['a', 'b', 'c'], note: 'x' }]);
    expect(await Promise.all(tasks.map((task) => client.result(task)))).toEqual([
      { count: 1, note: 'none' },
      { count: 3, note: 'x' },
    ]);
    await expect(client.submitMany(order, [{ items: ['a'] }, { items: [] }])).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'inputs.1.payload.items',
    });
  });

  test('gives the same task for the same idempotency key', async () => {
    const options = { idempotencyKey: 'once' };
    const [a, b] = [
      await client.submit(order, { items: ['a'] }, options),
      await client.submit(order, { items: ['a'] }, options),
    ];
    expect(a.id).toBe(b.id);
    await expect(client.submit(order, { items: ['b'] }, options)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('rejects the result of a task that failed or was cancelled', async () => {
    const refused = await client.submit(refuse, null);
    const failure = await client.result(refused).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TaskFailedError);
    expect(failure).toMatchObject({
      message: 'out of stock',
      code: 'OUT_OF_STOCK',
      status: 'FAILED',
      taskId: refused.id,
    });
    expect((failure as TaskFailedError).remoteStack).toContain('shop.ts');

    const later = await client.submit('echo', 1, { runAt: new Date(Date.now() + 3_600_000) });
    expect(await client.cancel(later, 'not needed')).toMatchObject({ status: 'CANCELLED' });
    await expect(client.result(later)).rejects.toMatchObject({
      code: 'CANCELLED',
      status: 'CANCELLED',
      message: 'the task was cancelled: not needed',
    });
    expect(await client.retry(later)).toMatchObject({ id: later.id });
    await expect(client.result(later)).resolves.toBe(1);
  });

  test('carries the codes of the API', async () => {
    const nobody = new TaskFlow({ url: system.url, apiKey: 'tf_wrong' });
    await expect(nobody.submit('echo', 1)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(nobody.result('0199d0a0-0000-7000-8000-000000000000')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    await expect(client.result('0199d0a0-0000-7000-8000-000000000000')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(client.cancel('0199d0a0-0000-7000-8000-000000000000')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await client.get('0199d0a0-0000-7000-8000-000000000000')).toBeNull();
    const nowhere = new TaskFlow({ url: `http://127.0.0.1:${await freePort()}` });
    const gone = await nowhere.submit('echo', 1).catch((error: unknown) => error);
    expect(gone).toBeInstanceOf(ApiError);
    expect(gone).toMatchObject({ code: 'UNAVAILABLE' });
    await expect(collect(nowhere.watch('x', { patienceMs: 200 }))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await nobody.close();
  });
});

describe('watching a task', () => {
  test('gives every transition once and in order, then ends', async () => {
    const task = await client.submit(
      'fail',
      { message: 'first', untilAttempt: 2 },
      { backoff: { kind: 'FIXED', delayMs: 1 } },
    );
    const seen = await collect(client.watch(task));
    expect(seen.map(({ status, attempt }) => `${status} ${attempt}`)).toEqual([
      'QUEUED 0',
      'PROCESSING 1',
      'SCHEDULED 1',
      'QUEUED 1',
      'PROCESSING 2',
      'COMPLETED 2',
    ]);
    expect(seen.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(seen[0]?.at).toBeInstanceOf(Date);
    expect((await collect(client.watch(task.id, { afterSeq: 4 }))).map(({ seq }) => seq)).toEqual([5, 6]);
  });

  test('ends when its signal says so, also while nothing happens', async () => {
    const task = await client.submit('echo', 1, { runAt: new Date(Date.now() + 3_600_000) });
    const controller = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { status } of client.watch(task, { signal: controller.signal })) {
        seen.push(status);
        setTimeout(() => controller.abort(new Error('enough')), 20);
      }
    })();
    await expect(watching).rejects.toThrow('enough');
    expect(seen).toEqual(['SCHEDULED']);
    await client.cancel(task);
  });

  test('goes on by itself after cut connections, without a gap and without a repetition', async () => {
    await using proxy: StallingProxy = await startStallingProxy(Number(new URL(system.url).port));
    await using cutOff = new TaskFlow({ url: `http://127.0.0.1:${proxy.port}`, token: system.token });
    const task = await client.submit(
      'fail',
      { message: 'again', untilAttempt: 4 },
      { maxAttempts: 4, backoff: { kind: 'FIXED', delayMs: 300, jitter: 0 } },
    );
    const seen: number[] = [];
    for await (const { seq, status } of cutOff.watch(task)) {
      seen.push(seq);
      if (status === 'SCHEDULED') proxy.cut();
    }
    expect(seen).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    proxy.cut();
    await expect(cutOff.result(task)).resolves.toEqual({ attempt: 4 });
  });
});

describe('a connection that hangs', () => {
  test('is given up, and what is watched goes on over another', async () => {
    await using proxy: StallingProxy = await startStallingProxy(Number(new URL(system.url).port));
    await using client = new TaskFlow({
      url: `http://127.0.0.1:${proxy.port}`,
      token: system.token,
      keepAliveMs: 400,
    });
    const task = await client.submit('sleep', { ms: 300 });
    const seen: string[] = [];
    for await (const { status } of client.watch(task)) {
      // Nothing comes through any more on the connections that there are; those that follow get through.
      if (status === 'QUEUED') proxy.freeze();
      seen.push(status);
    }
    expect(seen).toEqual(['QUEUED', 'PROCESSING', 'COMPLETED']);
  });
});

describe('the package', () => {
  test('is imported by its name', async () => {
    const script = `
      import { TaskFlow } from 'taskflow/client';
      import { createWorker, defineTask } from 'taskflow/worker';
      import { runTask } from 'taskflow/testing';
      const client = new TaskFlow({ url: '${system.url}', token: '${system.token}' });
      console.log('result', await client.result(await client.submit('echo', 'by name')));
      await client.close();
      console.log(typeof createWorker, typeof defineTask, typeof runTask);`;
    const child = spawnNode(['--input-type=module', '--eval', script], system.app.env, new URL('..', import.meta.url));
    await child.waitForOutput(/result by name\nfunction function function/);
    expect(await child.exit).toMatchObject({ code: 0 });
  });
});
