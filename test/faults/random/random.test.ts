import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/setup.ts';
import { closeBooks } from './close-books.ts';
import { type Fault, faultsOf, targetOf } from './faults.ts';
import { happen } from './happen.ts';
import { Submitter, Subscriber } from './load.ts';
import { openStand, type Stand } from './stand.ts';

// `FAULT_SECONDS=300 FAULT_SEED=7 npm run test:faults`: how long, and which faults. Without a seed each run has its own.
const SECONDS = Number(process.env.FAULT_SECONDS ?? 25);
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
/** For what was broken to heal, and for everything that was accepted to end. */
const HEAL_MS = 90_000;

/** Faults one after the other, and some at once, until the time is up. Returns when all is put right again. */
const breakThings = async (stand: Stand, until: number, log: (line: string) => void): Promise<void> => {
  const broken = new Map<string, Promise<void>>();
  for (const fault of faultsOf(SEED)) {
    if (performance.now() > until) break;
    await broken.get(targetOf(fault));
    log(describeFault(fault));
    const happening = happen(stand, fault);
    happening.catch(() => undefined); // Met by the next await.
    broken.set(targetOf(fault), happening);
    await delay(fault.gapMs);
  }
  await Promise.all(broken.values());
};

const describeFault = ({ kind, which, ms }: Fault): string => `${kind} (${which}) for ${ms} ms`;

/** What the run has left in Redis and in the outbox, though everything has ended. */
const leftOver = async ({ app: { broker, database } }: Stand): Promise<string[]> => {
  const left: string[] = [];
  for (const { lane, tag } of broker.shards) {
    for (const name of ['leases', 'scheduled', 'cancelling', 'cancel-deadlines', 'lines', 'counts']) {
      if ((await lane.redis.exists(`${tag}:${name}`)) === 1) left.push(`${tag}:${name}`);
    }
    left.push(...(await lane.redis.keys(`${tag}:task:*`)), ...(await lane.redis.keys(`${tag}:run:*`)));
    if ((await lane.redis.xlen(`${tag}:events`)) > 0) left.push(`${tag}:events`);
  }
  const rows = await database.outbox.count();
  return rows > 0 ? [...left, `${rows} rows of the outbox`] : left;
};

const stopAll = async ({ processes }: Stand): Promise<(number | null)[]> =>
  Promise.all(Object.values(processes).flatMap((list) => list.map((each) => each.stop())));

test(`nothing is lost, doubled or left over, whatever breaks for ${SECONDS} s (seed ${SEED})`, {
  timeout: SECONDS * 1_000 + HEAL_MS * 3,
}, async () => {
  await using stand = await openStand();
  const { app, urls, ownerId, credentials } = stand;
  const startedAt = performance.now();
  const log = (line: string): void =>
    void process.stderr.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${line}\n`);
  log(
    `FAULT_SEED=${SEED} FAULT_SECONDS=${SECONDS}${stand.disk ? '' : '; no disk can be filled here: mounting is not allowed'}`,
  );
  const submitter = new Submitter(urls, credentials);
  const subscribers = [new Subscriber(urls, credentials), new Subscriber(urls.toReversed(), credentials)];

  await breakThings(stand, startedAt + SECONDS * 1_000, log);
  await submitter.stop();
  log(`all is put right; ${submitter.accepted.size} tasks were accepted`);

  const recorded = await closeBooks(app.database, ownerId, submitter, subscribers, HEAL_MS);
  await Promise.all(subscribers.map((subscriber) => subscriber.stop()));
  await expect.poll(() => leftOver(stand), { timeout: HEAL_MS }).toEqual([]);
  expect(await stopAll(stand)).toEqual([0, 0, 0, 0, 0, 0]);
  await waitFor(() => stand.toRedis.connections + stand.toPostgres.connections === 0, {
    what: 'no connection is left',
  });
  log(`${submitter.accepted.size} tasks and ${recorded.length} transitions are in the books`);
});
