import { describe, expect, test } from 'vitest';
import { toPausable } from '../../src/realtime/pausable-source.ts';
import { waitFor } from '../support/wait-for.ts';

const numbers = async function* (count: number, onReturn: () => void = () => {}) {
  try {
    for (let i = 1; i <= count; i++) yield i;
    if (count === 0) throw new Error('it broke');
  } finally {
    onReturn();
  }
};

const listen = (source: AsyncIterable<number>, pausesAt?: number) => {
  const pausable = toPausable(source);
  const heard: unknown[] = [];
  const listener = {
    receive: (value: number) => {
      heard.push(value);
      if (value === pausesAt) pausable.pause();
    },
    end: (error: Error | undefined) => void heard.push(error?.message ?? 'end'),
  };
  pausable.listen(listener);
  return { heard, pausable, goOn: () => pausable.listen(listener) };
};

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('an iterator that is listened to', () => {
  test('hands its values over, and says when there are no more', async () => {
    const { heard } = listen(numbers(3));
    await waitFor(() => heard.length === 4);
    expect(heard).toEqual([1, 2, 3, 'end']);
  });

  test('says why it broke', async () => {
    const { heard } = listen(numbers(0));
    await waitFor(() => heard.length === 1);
    expect(heard).toEqual(['it broke']);
  });

  test('goes no further while its listener pauses, and loses nothing', async () => {
    const { heard, goOn } = listen(numbers(4), 2);
    await waitFor(() => heard.length === 2);
    await settled();
    expect(heard).toEqual([1, 2]);
    goOn();
    await waitFor(() => heard.length === 5);
    expect(heard).toEqual([1, 2, 3, 4, 'end']);
  });

  test('keeps the value that was on its way when its listener paused', async () => {
    const { heard, pausable, goOn } = listen(numbers(2));
    pausable.pause();
    await settled();
    expect(heard).toEqual([]);
    goOn();
    await waitFor(() => heard.length === 3);
    expect(heard).toEqual([1, 2, 'end']);
  });

  test('is closed for a listener who leaves', async () => {
    let isClosed = false;
    const closing = numbers(9, () => {
      isClosed = true;
    });
    const { heard, pausable } = listen(closing, 1);
    await waitFor(() => heard.length === 1);
    await pausable.return();
    expect(isClosed).toBe(true);
    await settled();
    expect(heard).toEqual([1]);
  });
});
