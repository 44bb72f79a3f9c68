import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Handover } from '../../workers/manager/handover.ts';
import { startScheduleRunner } from '../../workers/manager/schedule-runner.ts';
import { type ApiApp, errorOf, openNode, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { makeSchedule } from '../support/schedules.ts';
import { waitFor } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let other: Awaited<ReturnType<typeof openNode>>;
let admin: TestUser;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  other = await openNode(app);
  admin = await app.admin();
  user = await app.user();
});
afterAll(async () => {
  await other.close();
  await app.close();
});

const CREATE = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }';
const submit = (queue: string, more: object = {}, node: Pick<ApiApp, 'call'> = app) =>
  node.call(CREATE, { input: { type: 'echo', queue, ...more } }, user.headers);
const change = async (mutation: 'drainQueue' | 'pauseQueue' | 'resumeQueue', name: string) =>
  (await admin.call(`mutation ($name: String!) { ${mutation}(name: $name) { name isPaused isDraining } }`, { name }))
    .data[mutation];
const refusal = { code: 'CONFLICT', field: 'input.queue' };
/** Each api node follows by itself. */
const untilRefused = (queue: string, node?: Pick<ApiApp, 'call'>) =>
  waitFor(async () => (await submit(queue, {}, node)).errors, { what: 'the queue drains' });

describe('a queue that is draining', () => {
  test('takes no new tasks on any api node, until it is resumed', async () => {
    expect((await submit('closing')).errors).toBeUndefined();
    expect(await change('drainQueue', 'closing')).toEqual({ name: 'closing', isPaused: false, isDraining: true });
    await Promise.all([untilRefused('closing'), untilRefused('closing', other)]);
    expect(errorOf(await submit('closing'))).toEqual(refusal);
    expect(errorOf(await submit('closing', {}, other))).toEqual(refusal);
    const inputs = ['open', 'closing'].map((queue) => ({ type: 'echo', queue }));
    const many = await user.call('mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }', {
      inputs,
    });
    expect(errorOf(many)).toEqual({ code: 'CONFLICT', field: 'inputs.1.queue' });
    const tasks = inputs.map((input) => ({ ...input, name: input.queue }));
    const flow = await user.call('mutation ($input: CreateFlowInput!) { createFlow(input: $input) { id } }', {
      input: { name: 'flow', tasks },
    });
    expect(errorOf(flow)).toEqual({ code: 'CONFLICT', field: 'input.tasks.1.queue' });
    expect((await submit('open')).errors).toBeUndefined();

    expect(await change('resumeQueue', 'closing')).toEqual({ name: 'closing', isPaused: false, isDraining: false });
    for (const node of [app, other]) {
      await waitFor(async () => !(await submit('closing', {}, node)).errors);
    }
  });

  test('is known to a node that has just started', async () => {
    await change('drainQueue', 'early');
    await using fresh = await openNode(app);
    expect(errorOf(await submit('early', {}, fresh))).toEqual(refusal);
  });

  test('lets what is there be worked on, with its further attempts', async () => {
    const { data } = await submit('busy', { maxAttempts: 2 });
    const task = { id: data.createTask.id as string, type: 'echo', queue: 'busy' };
    await change('drainQueue', 'busy');
    await untilRefused('busy');
    await app.live.begin(task);
    await app.live.complete(task);
    expect((await user.call(`{ task(id: "${task.id}") { status } }`)).data.task.status).toBe('COMPLETED');
  });

  test('still gives the task of a known idempotency key', async () => {
    const { data } = await submit('keyed', { idempotencyKey: 'a' });
    await change('drainQueue', 'keyed');
    await untilRefused('keyed');
    expect((await submit('keyed', { idempotencyKey: 'a' })).data).toEqual(data);
    expect(errorOf(await submit('keyed', { idempotencyKey: 'b' }))).toEqual(refusal);
  });

  test('takes no task that is put back', async () => {
    const task = await app.factory.failed({ ownerId: user.id, queue: 'dead' });
    await change('drainQueue', 'dead');
    const retry = () => user.call(`mutation { retryTask(id: "${task.id}") { status } }`);
    expect(errorOf(await retry())).toEqual({ code: 'CONFLICT' });
    expect((await app.factory.task(task.id)).status).toBe('FAILED');
    await change('resumeQueue', 'dead');
    expect((await retry()).data.retryTask).toEqual({ status: 'QUEUED' });
  });

  test('gets no tasks from schedules, which say so', async () => {
    const { id } = await makeSchedule(app, { ownerId: user.id, queue: 'nightly' });
    await change('drainQueue', 'nightly');
    await untilRefused('nightly');
    const now = await user.call(`mutation { runScheduleNow(id: "${id}") { id } }`);
    expect(errorOf(now)).toEqual({ code: 'CONFLICT', field: 'schedule.queue' });
    const { broker, database, config } = app;
    const handover = new Handover({ broker, database, config, logger: silent });
    const runner = startScheduleRunner({ broker, database, handover, config, logger: silent });
    try {
      const read = () => database.schedule.findUniqueOrThrow({ where: { id } });
      const { lastError, lastTaskId } = await waitFor(async () => {
        const schedule = await read();
        return schedule.lastError !== null && schedule;
      });
      expect(lastError).toContain('nightly is draining');
      expect(lastTaskId).toBeNull();
    } finally {
      await runner.stop();
      await handover.close();
    }
  });

  test('can be paused as well, and is resumed from both', async () => {
    await change('drainQueue', 'both');
    expect(await change('pauseQueue', 'both')).toEqual({ name: 'both', isPaused: true, isDraining: true });
    const { data } = await user.call('{ queues { name isPaused isDraining } }');
    expect(data.queues).toContainEqual({ name: 'both', isPaused: true, isDraining: true });
    expect(await change('resumeQueue', 'both')).toEqual({ name: 'both', isPaused: false, isDraining: false });
  });

  test('is seen by those who watch it', async () => {
    const watch = await subscribe(app.yoga, user.headers, 'subscription { queueUpdated(name: "seen") { isDraining } }');
    expect(await watch.take(1)).toEqual([{ isDraining: false }]);
    await change('drainQueue', 'seen');
    expect(await watch.take(1)).toEqual([{ isDraining: true }]);
    await change('resumeQueue', 'seen');
    expect(await watch.take(1)).toEqual([{ isDraining: false }]);
  });

  test('is left alone by whoever is no admin', async () => {
    expect(errorOf(await user.call('mutation { drainQueue(name: "x") { name } }'))).toEqual({ code: 'FORBIDDEN' });
  });
});
