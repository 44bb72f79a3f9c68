import { describe, expect, test, vi } from 'vitest';
import type { Change } from '../../src/realtime/change.ts';
import { OwnerFeed } from '../../src/realtime/owner-feed.ts';
import { ChangeLog, range, take } from '../support/changes.ts';
import { waitFor } from '../support/wait-for.ts';

const OWNER = '01900000-0000-7000-8000-00000000cafe';

/** A feed that began at `position`, and `count` further changes that are committed, but not announced to it. */
const open = (position: number, count: number, subscriberBuffer = 100_000) => {
  const log = new ChangeLog();
  log.commit(OWNER, position);
  const onError = vi.fn();
  const feed = new OwnerFeed(OWNER, { ...log, subscriberBuffer, onError });
  feed.startAt(position);
  return { log, feed, onError, later: log.commit(OWNER, count) };
};

describe('the feed of an owner', () => {
  test('delivers what comes in order, without reading', async () => {
    const { log, feed, later } = open(5, 3);
    const changes = feed.subscribe();
    for (const change of later) feed.accept(change);
    expect(await take(changes, 3)).toEqual([6, 7, 8]);
    expect([feed.position, log.reads]).toEqual([8, 0]);
  });

  test('puts in order what overtook, without reading when the hole closes in time', async () => {
    const { log, feed, later } = open(0, 4);
    const changes = feed.subscribe();
    for (const i of [2, 1, 3, 0]) feed.accept(later[i] as Change);
    expect(await take(changes, 4)).toEqual([1, 2, 3, 4]);
    expect(log.reads).toBe(0);
  });

  test('drops what it has delivered', async () => {
    const { feed, later } = open(0, 3);
    const changes = feed.subscribe();
    for (const change of [...later, ...later.toReversed(), ...later]) feed.accept(change);
    await changes.next();
    expect(changes.drain(10)).toHaveLength(2);
  });

  test('reads from PostgreSQL what a hole has swallowed', async () => {
    const { log, feed, later } = open(2, 10);
    const changes = feed.subscribe();
    feed.accept(later[4] as Change);
    feed.accept(later[7] as Change);
    expect(await take(changes, 10)).toEqual(range(3, 12));
    expect(log.reads).toBe(1);
  });

  test('fills a hole of many pages', async () => {
    const { feed, later } = open(0, 3_500);
    const changes = feed.subscribe();
    feed.accept(later.at(-1) as Change);
    expect(await take(changes, 3_500)).toEqual(range(1, 3_500));
  });

  test('tries again when PostgreSQL cannot be read', async () => {
    const { log, feed, onError, later } = open(0, 3);
    const changes = feed.subscribe();
    log.failing = true;
    feed.accept(later[2] as Change);
    await waitFor(() => onError.mock.calls.length >= 2);
    log.failing = false;
    expect(await take(changes, 3)).toEqual([1, 2, 3]);
  });

  test('skips what retention has dropped', async () => {
    const { log, feed, later } = open(0, 3_000);
    log.drop(OWNER, ...range(1, 1_500));
    const changes = feed.subscribe();
    feed.accept(later.at(-1) as Change);
    expect(await take(changes, 1_500)).toEqual(range(1_501, 3_000));
  });

  test('passes over holes that PostgreSQL has as well, and reads once for them', async () => {
    const { log, feed, later } = open(0, 10);
    const changes = feed.subscribe();
    log.drop(OWNER, 1, 2, 4, 5, 6, 9);
    // Deleted since it was published.
    log.drop(OWNER, 8);
    feed.accept(later[7] as Change);
    expect(await take(changes, 4)).toEqual([3, 7, 8, 10]);
    expect([feed.position, log.reads]).toEqual([10, 1]);
  });

  test('delivers what comes after a hole at the end, and asks for that hole no more', async () => {
    const { log, feed } = open(3, 4);
    const changes = feed.subscribe();
    log.drop(OWNER, 4, 5, 6, 7);
    await feed.catchUp();
    expect([feed.position, log.reads]).toEqual([7, 1]);
    for (const change of log.commit(OWNER, 2)) feed.accept(change);
    expect(await take(changes, 2)).toEqual([8, 9]);
    expect(log.reads).toBe(1);
  });

  test('does not skip what is committed while it reads', async () => {
    const log = new ChangeLog();
    log.commit(OWNER, 2);
    log.drop(OWNER, 1, 2);
    let late: Change[] = [];
    const readChanges: ChangeLog['readChanges'] = async (...args) => {
      const page = await log.readChanges(...args);
      late = log.commit(OWNER, 1);
      return page;
    };
    const feed = new OwnerFeed(OWNER, { ...log, readChanges, subscriberBuffer: 10, onError: () => {} });
    feed.startAt(0);
    const changes = feed.subscribe();
    await feed.catchUp();
    expect(feed.position).toBe(2);
    for (const change of late) feed.accept(change);
    expect(await take(changes, 1)).toEqual([3]);
  });

  test('ends those who watch one task when changes are gone that may have been its last', async () => {
    const { log, feed, later } = open(0, 2);
    const [ofOne, ofAll] = [feed.subscribe(later[0]?.taskId), feed.subscribe()];
    log.drop(OWNER, 1);
    await feed.catchUp();
    await expect(ofOne.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await take(ofAll, 1)).toEqual([2]);
  });

  test('keeps what comes before it began, and drops what it began with', async () => {
    const log = new ChangeLog();
    const all = log.commit(OWNER, 6);
    const feed = new OwnerFeed(OWNER, { ...log, subscriberBuffer: 10, onError: () => {} });
    for (const i of [5, 1, 4, 2, 3]) feed.accept(all[i] as Change);
    const changes = feed.subscribe();
    feed.startAt(3);
    expect(await take(changes, 3)).toEqual([4, 5, 6]);
    expect(log.reads).toBe(0);
  });

  test('fills a hole between its beginning and what came before', async () => {
    const log = new ChangeLog();
    const all = log.commit(OWNER, 6);
    const feed = new OwnerFeed(OWNER, { ...log, subscriberBuffer: 10, onError: () => {} });
    feed.accept(all[5] as Change);
    feed.startAt(2);
    expect(await take(feed.subscribe(), 4)).toEqual([3, 4, 5, 6]);
  });

  test('heals when more comes ahead of a hole than it keeps', async () => {
    const { feed, later } = open(0, 25_000);
    const changes = feed.subscribe();
    for (const change of later.slice(1)) feed.accept(change);
    expect(await take(changes, 25_000)).toEqual(range(1, 25_000));
  });

  test('catches up when it is told that messages may have been lost, once for many calls', async () => {
    const { log, feed } = open(0, 2);
    const changes = feed.subscribe();
    await Promise.all([feed.catchUp(), feed.catchUp(), feed.catchUp()]);
    expect(await take(changes, 2)).toEqual([1, 2]);
    expect(log.reads).toBe(1);
  });

  test('gives a subscriber of one task only its changes', async () => {
    const { log, feed } = open(0, 0);
    const [taskId, other] = ['01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000002'];
    const [mine, theirs, all] = [feed.subscribe(taskId), feed.subscribe(other), feed.subscribe()];
    for (const id of [other, taskId, other, taskId])
      for (const change of log.commit(OWNER, 1, { taskId: id })) feed.accept(change);
    expect(await take(mine, 2)).toEqual([2, 4]);
    expect(await take(theirs, 2)).toEqual([1, 3]);
    expect(await take(all, 4)).toEqual([1, 2, 3, 4]);
  });

  test('cuts off the one subscriber who is too slow, and goes on for the others', async () => {
    const { feed, later } = open(0, 5, 3);
    const slow = feed.subscribe();
    const quick = feed.subscribe();
    const read = take(quick, 5);
    for (const change of later) {
      feed.accept(change);
      await undefined;
    }
    await expect(slow.next()).rejects.toMatchObject({ code: 'SLOW_CONSUMER' });
    expect(await read).toEqual([1, 2, 3, 4, 5]);
    expect(feed.isIdle).toBe(false);
  });

  test('is idle once it began and its last subscriber has left', async () => {
    const feed = new OwnerFeed(OWNER, { ...new ChangeLog(), subscriberBuffer: 1, onError: () => {} });
    expect(feed.isIdle).toBe(false);
    feed.startAt(0);
    expect(feed.isIdle).toBe(true);
    const changes = [feed.subscribe(), feed.subscribe('a'), feed.subscribe('a')];
    for (const each of changes) {
      expect(feed.isIdle).toBe(false);
      await each.return();
    }
    expect(feed.isIdle).toBe(true);
  });

  test('ends all subscriptions with an error when it is told to', async () => {
    const { feed } = open(0, 0);
    const changes = [feed.subscribe(), feed.subscribe('a')];
    feed.fail(new Error('shutting down'));
    for (const each of changes) await expect(each.next()).rejects.toThrow('shutting down');
    expect(feed.isIdle).toBe(true);
  });
});
