import { expect, test } from 'vitest';
import { claim } from '../../../src/broker/calls.ts';
import { decodeEntry } from '../../../src/broker/event-stream.ts';
import { Attempt } from '../../../workers/runtime/attempt.ts';
import { SideReporter } from '../../../workers/runtime/side-reporter.ts';
import { silent } from '../../support/factory.ts';
import { setupShard } from '../../support/shard-setup.ts';

const circular: Record<string, unknown> = {};
circular.itself = circular;

test.each<[string, unknown, unknown]>([
  ['any JSON', { rows: [1, null] }, { detail: { rows: [1, null] } }],
  ['4 KiB', 'x'.repeat(4_094), { detail: 'x'.repeat(4_094) }],
  ['more', 'é'.repeat(2_048), { detail: { error: 'DETAIL_TOO_LARGE', bytes: 4_098, limit: 4_096 } }],
  ['nothing', undefined, undefined],
  ['what is no JSON', circular, undefined],
])('a detail of %s is sent as the protocol says', async (_what, detail, expected) => {
  await using t = await setupShard();
  await t.add('a');
  const wish = { worker: 'w1', limit: 1, leaseMs: 30_000, lowFirst: 0, queues: '*', types: 'echo' };
  const [held] = await claim(t.shard, wish);
  if (!held) throw new Error('nothing was claimed');
  const side = new SideReporter(silent);
  const attempt = new Attempt(held, t.shard);
  side.progress(attempt, 120, detail);
  side.flush(attempt);
  // What comes after it on the connection is answered after it.
  const [[id, fields] = ['', []]] = await t.shard.lane.redis.xrevrange(`${t.shard.tag}:events`, '+', '-', 'COUNT', 1);
  const [progress] = decodeEntry(id, fields).progress;
  expect(progress?.percent).toBe(100);
  expect(progress?.detail ? JSON.parse(progress.detail) : undefined).toEqual(expected);
  side.close();
});
