import { v7 as uuidv7 } from 'uuid';
import { expect, onTestFinished, test } from 'vitest';
import type { StreamedLogLine, StreamedProgress } from '../../../src/broker/event-stream.ts';
import { realtimeChannel } from '../../../src/broker/keys.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { poolsOf } from '../../../src/database/client.ts';
import { decodeLine } from '../../../src/realtime/change.ts';
import { channelOfOwner } from '../../../src/realtime/publish.ts';
import { SideRecorder } from '../../../workers/manager/side-recorder.ts';
import { Factory } from '../../support/factory.ts';
import { setup, startPrivatePostgres, type TestApp, waitFor } from '../../support/setup.ts';

/** Has progress and lines of a task recorded. Returns what is published meanwhile. */
const record = async (
  { broker, database }: TestApp,
  ownerId: string,
  said: { progress?: StreamedProgress[]; logs?: StreamedLogLine[] },
) => {
  const [shard] = broker.low.shards as [Shard];
  const subscriber = shard.lane.connect();
  const heard: string[] = [];
  subscriber.on('message', (_channel, message: string) => heard.push(message));
  await subscriber.subscribe(realtimeChannel(broker.prefix, 'low', channelOfOwner(ownerId)));
  const recorder = new SideRecorder(broker, shard, database);
  await recorder.record([{ id: '1-0', transitions: [], progress: [], logs: [], ...said }]);
  await recorder.flush();
  // Messages of a connection come in order: the reply to this one comes after them.
  await subscriber.ping();
  subscriber.disconnect();
  return heard.flatMap((message) => message.split('\n')).map(decodeLine);
};

test('a record that is no JSON is kept and published as a message, and holds nothing up', async () => {
  await using app = await setup();
  const [ownerId, taskId] = [uuidv7(), uuidv7()];
  const line = { taskId, ownerId, attempt: 1, claimedAtSeq: 2, atMs: 1_800_000_000_000 };
  const logs = ['{"level":"warn","message":"fine"}', 'no { json'].map((record, i) => ({
    ...line,
    number: i + 1,
    record,
  }));
  const published = await record(app, ownerId, { logs });
  const expected = [
    { level: 'warn', message: 'fine' },
    { level: 'info', message: 'no { json' },
  ];
  const kept = await app.database.taskLog.findMany({ where: { taskId }, orderBy: { number: 'asc' } });
  expect(kept.map(({ record }) => record)).toEqual(expected);
  expect(published.map((message) => 'record' in message && JSON.parse(message.record))).toEqual(expected);
});

test.each([
  ['{"detail":{"rows":7}}', { rows: 7 }],
  ['{ "detail" : "}" } ', '}'],
  ['{"detail":null}', null],
  ['', null],
  [`{"detail":${'['.repeat(2_000)}${']'.repeat(2_000)}}`, expect.any(Array)],
  ['{"detail":"\\u0000\\ud800"}', '\0\ud800'],
  ['no { json', 'no { json'],
  ['{"rows": 7}', { rows: 7 }],
  ['{"detail":1,"more":2}', { detail: 1, more: 2 }],
  ['{"level":"info","message":"","isCut":true}', { error: 'DETAIL_TOO_LARGE', limit: 4_096 }],
])('a detail %s of progress is kept and published, and holds nothing up', async (detail, expected) => {
  await using app = await setup();
  const factory = new Factory(app);
  onTestFinished(() => factory.close());
  const [held, next] = [await factory.processing(), await factory.processing()];
  const { ownerId } = held.task;
  const common = { ownerId, attempt: 1, percent: 50 };
  const published = await record(app, ownerId, {
    progress: [
      { ...common, taskId: held.task.id, detail },
      { ...common, taskId: next.task.id, detail: '1' },
    ],
  });
  expect(await factory.task(held.task.id)).toMatchObject({ progress: 50, progressDetail: expected });
  expect(await factory.task(next.task.id)).toMatchObject({ progress: 50, progressDetail: 1 });
  const details = published.map((message) => 'percent' in message && JSON.parse(message.detail || 'null'));
  expect(details).toEqual([expected, 1]);
});

test('progress without a detail takes the place of one with it, and a later attempt of an earlier one', async () => {
  await using app = await setup();
  const factory = new Factory(app);
  onTestFinished(() => factory.close());
  const { task } = await factory.processing();
  const say = (attempt: number, percent: number, detail: string) =>
    record(app, task.ownerId, { progress: [{ taskId: task.id, ownerId: task.ownerId, attempt, percent, detail }] });
  await say(1, 10, '{"detail":1}');
  await say(1, 20, '');
  expect(await factory.task(task.id)).toMatchObject({ progress: 20, progressDetail: null });
  await app.database.task.update({ where: { id: task.id }, data: { attempt: 2 } });
  await say(1, 30, '"late"');
  expect(await factory.task(task.id)).toMatchObject({ progress: 20, progressDetail: null });
});

test('progress that could not be written is written when PostgreSQL is back', async () => {
  await using postgres = await startPrivatePostgres();
  await using app = await setup({ postgres });
  const factory = new Factory(app);
  onTestFinished(() => factory.close());
  const { task } = await factory.processing();
  const recorder = new SideRecorder(app.broker, app.broker.low.shards[0] as Shard, app.database);
  const progress = [{ taskId: task.id, ownerId: task.ownerId, attempt: 1, percent: 40, detail: '' }];
  await recorder.record([{ id: '1-0', transitions: [], progress, logs: [] }]);
  await postgres.kill();
  // Its backends may outlive it for a moment, and do what they are asked.
  const isAway = () => Object.values(poolsOf(app.database)).every(({ totalCount }) => totalCount === 0);
  await waitFor(isAway, { what: 'all connections have ended' });
  await expect(recorder.flush()).rejects.toThrow();
  expect(recorder.isDue).toBe(true);
  await postgres.start();
  await waitFor(async () => {
    await recorder.flush();
    return true;
  });
  expect(await factory.task(task.id)).toMatchObject({ progress: 40 });
});
