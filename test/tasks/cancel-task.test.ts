import { expect, test, vi } from 'vitest';
import { metaKey } from '../../src/broker/keys.ts';
import { type ApiApp, errorOf, setupApi } from '../support/api.ts';
import { submitMany } from '../support/operating.ts';
import { waitFor } from '../support/setup.ts';

const CANCEL = 'mutation ($id: ID!) { cancelTask(id: $id) { status } }';

/** A task of a user's, whose shard refuses everything until `open`, as one that waits to be rebuilt. */
const taskOfLostShard = async (app: ApiApp) => {
  const user = await app.user();
  const [id = ''] = await submitMany(user, 1);
  // The one of the api itself.
  const shard = app.services.broker.shardFor('NORMAL', id);
  const { redis, tag } = shard;
  await waitFor(() => redis.exists(`${tag}:task:${id}`), { what: 'the task is in Redis' });
  await redis.rename(metaKey(tag), `${tag}:aside`);
  return { user, id, shard, open: () => redis.rename(`${tag}:aside`, metaKey(tag)) };
};

test('waits for a shard that is about to be rebuilt', async () => {
  await using app = await setupApi();
  const { user, id, shard, open } = await taskOfLostShard(app);
  const fcall = vi.spyOn(shard.redis, 'fcall');
  const answer = user.call(CANCEL, { id });
  await waitFor(() => fcall.mock.calls.some(([name]) => name === 'tf1_cancel'), { what: 'Redis was asked' });
  await expect(fcall.mock.results[0]?.value).rejects.toThrow('NOTREADY');
  await open();
  await waitFor(async () => (await app.live.publish(shard)).length > 0, { what: 'the cancellation is recorded' });
  expect((await answer).data).toEqual({ cancelTask: { status: 'CANCELLED' } });
});

test('is UNAVAILABLE where nobody rebuilds it', async () => {
  await using app = await setupApi();
  const { user, id } = await taskOfLostShard(app);
  expect(errorOf(await user.call(CANCEL, { id }))).toMatchObject({ code: 'UNAVAILABLE' });
});
