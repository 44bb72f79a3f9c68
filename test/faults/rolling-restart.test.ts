import { expect, test } from 'vitest';
import { closeBooks } from './random/close-books.ts';
import { Submitter, Subscriber } from './random/load.ts';
import { openStand } from './random/stand.ts';

/** What a client meets whose api is just ending: it asks another. */
const CONNECTION_ERRORS = ['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'];

test('all processes are restarted one by one under load, and nobody notices but by a connection that ends', {
  timeout: 120_000,
}, async () => {
  // Leases that no busy machine lets expire: an orderly end must not lose one.
  await using stand = await openStand({ LEASE_MS: '15000' });
  const { app, urls, ownerId, credentials, processes } = stand;
  const submitter = new Submitter(urls, credentials);
  const subscribers = [new Subscriber(urls, credentials), new Subscriber(urls.toReversed(), credentials)];
  const ended: (number | null)[] = [];
  for (const each of [...processes.manager, ...processes.api, ...processes.worker]) ended.push(await each.restart());
  expect(ended).toEqual([0, 0, 0, 0, 0, 0]);
  await submitter.stop();
  await closeBooks(app.database, ownerId, submitter, subscribers, 30_000);
  await Promise.all(subscribers.map((subscriber) => subscriber.stop()));
  expect(submitter.accepted.size).toBeGreaterThan(100);
  expect([...submitter.failures].filter((failure) => !CONNECTION_ERRORS.includes(failure))).toEqual([]);
  const expired = await app.database.taskEvent.count({
    where: { ownerId, detail: { path: ['reason'], equals: 'LEASE_EXPIRED' } },
  });
  expect(expired).toBe(0);
  const stopped = Object.values(processes).flatMap((list) => list.map((each) => each.stop()));
  expect(await Promise.all(stopped)).toEqual([0, 0, 0, 0, 0, 0]);
});
