import { describe, expect, test } from 'vitest';
import { LatencyHistogram } from '../../src/queues/latency-histogram.ts';
import { StatisticsWindow } from '../../src/queues/statistics.ts';
import type { CountedTransition } from '../../src/realtime/change.ts';

const CREATED_MS = 0x0190_0000_0000;
const ID = '01900000-0000-7000-8000-000000000000';

/** Of a task that was submitted at CREATED_MS. */
const transition = (seq: number, status: string, afterMs: number, data = ''): CountedTransition => ({
  taskId: ID,
  seq,
  status,
  atMs: CREATED_MS + afterMs,
  data,
});

describe('a histogram of latencies', () => {
  test('tells quantiles within 2.5 %, and begins anew', () => {
    const histogram = new LatencyHistogram();
    for (let ms = 1; ms <= 10_000; ms++) histogram.add(ms);
    const figures = histogram.take();
    expect(figures?.count).toBe(10_000);
    expect(Math.abs((figures?.p50Ms ?? 0) / 5_000 - 1)).toBeLessThan(0.025);
    expect(Math.abs((figures?.p99Ms ?? 0) / 9_900 - 1)).toBeLessThan(0.025);
    expect(histogram.take()).toBeNull();
  });

  test.each([
    [0, 0],
    [-5, 0],
    [1, 1],
    [3, 3],
    [20, 20],
    [1e15, expect.any(Number)],
  ])('takes %d ms', (ms, expected) => {
    const histogram = new LatencyHistogram();
    histogram.add(ms);
    expect(histogram.take()).toEqual({ count: 1, p50Ms: expected, p99Ms: expected });
  });
});

describe('a window of statistics', () => {
  test('counts what happens to a task, a second', () => {
    const window = new StatisticsWindow(0);
    for (const each of [
      transition(1, 'QUEUED', 0),
      transition(2, 'PROCESSING', 100),
      transition(3, 'SCHEDULED', 200),
      transition(4, 'QUEUED', 1_000),
      transition(5, 'PROCESSING', 1_700),
      transition(6, 'PROCESSING', 1_800, '{"message":"stop"}'),
      transition(7, 'COMPLETED', 2_000),
      transition(7, 'FAILED', 2_000),
      transition(7, 'CANCELLED', 2_000),
      transition(7, 'CANCELLED', 2_000),
    ])
      window.note(each);
    const figures = window.take(2_000);
    expect(figures).toMatchObject({
      windowMs: 2_000,
      rates: { submitted: 0.5, started: 1, completed: 0.5, failed: 0.5, cancelled: 1 },
      completion: { count: 1 },
      queueWait: { count: 2 },
    });
    // Waits of 100 and 700 ms; 2 s from the submission to the end.
    expect(figures.queueWait?.p50Ms).toBeCloseTo(100, -1);
    expect(figures.queueWait?.p99Ms).toBeCloseTo(700, -2);
    expect(figures.completion?.p50Ms).toBeCloseTo(2_000, -2);
    expect(window.take(3_000)).toEqual({
      windowMs: 1_000,
      rates: { submitted: 0, started: 0, completed: 0, failed: 0, cancelled: 0 },
      completion: null,
      queueWait: null,
    });
  });

  test('does not guess how long a task waited that was put back unseen', () => {
    const window = new StatisticsWindow(0);
    window.note(transition(5, 'PROCESSING', 60_000));
    expect(window.take(1_000)).toMatchObject({ rates: { started: 1 }, queueWait: null });
  });
});
