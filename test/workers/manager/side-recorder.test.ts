import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { realtimeChannel } from '../../../src/broker/keys.ts';
import { decodeLine } from '../../../src/realtime/change.ts';
import { channelOfOwner } from '../../../src/realtime/publish.ts';
import { SideRecorder } from '../../../workers/manager/side-recorder.ts';
import { setup } from '../../support/setup.ts';

test('a record that is no JSON is kept and published as a message, and holds nothing up', async () => {
  await using app = await setup();
  const [shard] = app.broker.low.shards;
  if (!shard) throw new Error('no shard');
  const [ownerId, taskId] = [uuidv7(), uuidv7()];
  const subscriber = shard.lane.connect();
  const heard: string[] = [];
  subscriber.on('message', (_channel, message: string) => heard.push(message));
  await subscriber.subscribe(realtimeChannel(app.broker.prefix, 'low', channelOfOwner(ownerId)));
  const line = { taskId, ownerId, attempt: 1, claimedAtSeq: 2, atMs: 1_800_000_000_000 };
  const logs = ['{"level":"warn","message":"fine"}', 'no { json'].map((record, i) => ({
    ...line,
    number: i + 1,
    record,
  }));

  await new SideRecorder(app.broker, shard, app.database).record([{ id: '1-0', transitions: [], progress: [], logs }]);

  // Messages of a connection come in order: the reply to this one comes after them.
  await subscriber.ping();
  subscriber.disconnect();
  const expected = [
    { level: 'warn', message: 'fine' },
    { level: 'info', message: 'no { json' },
  ];
  const kept = await app.database.taskLog.findMany({ where: { taskId }, orderBy: { number: 'asc' } });
  expect(kept.map(({ record }) => record)).toEqual(expected);
  const published = heard.flatMap((message) => message.split('\n')).map(decodeLine);
  expect(published.map((message) => 'record' in message && JSON.parse(message.record))).toEqual(expected);
});
