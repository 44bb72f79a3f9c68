import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { loadLibrary } from '../../src/broker/library.ts';
import { LEGAL_MOVES, LIVE_STATUSES } from '../../src/tasks/task-state.ts';
import { replay } from '../support/exchanges.ts';
import { startPrivateRedis } from '../support/setup.ts';
import { openBroker } from '../support/shard-setup.ts';

const PAGE = new URL('../../docs/worker-protocol.md', import.meta.url);

// `vitest run test/broker/worker-protocol.test.ts --update` writes the replies into the page.
test('Redis answers as the page on the worker protocol says', async () => {
  await using redis = await startPrivateRedis();
  const broker = openBroker(redis.port);
  await broker.ready();
  await loadLibrary(broker.low.redis, { moves: LEGAL_MOVES, live: LIVE_STATUSES });
  broker.close();
  const page = await readFile(PAGE, 'utf8');
  expect(page.match(/^> /gm)?.length).toBeGreaterThan(25);
  await expect(await replay(page, redis.port)).toMatchFileSnapshot(PAGE.pathname);
});
