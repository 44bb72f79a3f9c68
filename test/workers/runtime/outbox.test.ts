import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Claim } from '../../../src/broker/calls.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { Attempt } from '../../../workers/runtime/attempt.ts';
import { Outbox, type OutboxEntry } from '../../../workers/runtime/outbox.ts';

const entry = (item: number, bytes = 100): OutboxEntry<number> => ({
  attempt: new Attempt({} as Claim, {} as Shard),
  item,
  bytes,
});

/** An outbox whose calls the test answers. */
const opened = () => {
  const calls: { items: number[]; accept: (lost?: string[]) => void; refuse: () => void }[] = [];
  const dropped: number[] = [];
  const accepted: number[] = [];
  let onCall: () => void = () => {};
  const outbox = new Outbox<number>({
    send: (items) =>
      new Promise((resolve, reject) => {
        calls.push({ items, accept: (lost = []) => resolve(lost), refuse: () => reject(new Error('away')) });
        onCall();
      }),
    onAccepted: (entries) => accepted.push(...entries.map(({ item }) => item)),
    onDropped: (entries) => dropped.push(...entries.map(({ item }) => item)),
    onStep: () => {},
  });
  const called = async (count: number) => {
    while (calls.length < count) await new Promise<void>((resolve) => (onCall = resolve));
    return calls[count - 1] ?? expect.fail();
  };
  return { outbox, calls, dropped, accepted, called };
};

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('an outbox', () => {
  test('sends together what arrives in one turn, and what arrives while a call is on its way', async () => {
    const { outbox, called, accepted } = opened();
    outbox.add(entry(1));
    await Promise.resolve();
    outbox.add(entry(2));
    const first = await called(1);
    for (const item of [3, 4, 5]) outbox.add(entry(item));
    first.accept();
    const second = await called(2);
    second.accept();

    expect([first.items, second.items]).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    await new Promise(setImmediate);
    expect(accepted).toEqual([1, 2, 3, 4, 5]);
    expect(outbox.isBusy).toBe(false);
  });

  test('sends at most 500 entries, or 4 MiB, at once', async () => {
    const { outbox, called } = opened();
    for (const item of range(0, 501)) outbox.add(entry(item));
    const first = await called(1);
    first.accept();
    const second = await called(2);
    expect([first.items.length, second.items.length]).toEqual([500, 1]);

    for (const item of [1, 2, 3]) outbox.add(entry(item, 3 * 1024 * 1024));
    second.accept();
    for (const [number, item] of [
      [3, 1],
      [4, 2],
      [5, 3],
    ] as const) {
      const call = await called(number);
      expect(call.items).toEqual([item]);
      call.accept();
    }
  });

  test('keeps what was not taken, in order, and is not busy while it waits', async () => {
    const { outbox, called, accepted } = opened();
    outbox.add(entry(1));
    const first = await called(1);
    outbox.add(entry(2));
    first.refuse();
    await new Promise(setImmediate);
    expect(outbox.isBusy).toBe(false);

    const second = await called(2);
    expect(second.items).toEqual([1, 2]);
    second.accept();
    await new Promise(setImmediate);
    expect(accepted).toEqual([1, 2]);
  });

  test('drops entries whose lease was lost before they were sent', async () => {
    const { outbox, called, dropped } = opened();
    const lost = entry(2);
    outbox.add(entry(1));
    const first = await called(1);
    outbox.add(lost);
    outbox.add(entry(3));
    lost.attempt.lose();
    first.accept();
    expect((await called(2)).items).toEqual([3]);
    expect(dropped).toEqual([2]);
  });

  test('sends nothing any more once it is closed', async () => {
    const { outbox, calls, called } = opened();
    outbox.add(entry(1));
    const first = await called(1);
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    outbox.close();
    first.refuse();
    await new Promise(setImmediate);
    expect(vi.getTimerCount()).toBe(0);
    expect(calls).toHaveLength(1);
  });
});
