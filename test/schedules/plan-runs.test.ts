import { describe, expect, test } from 'vitest';
import { GRACE_MS, type PlannedSchedule, planRuns } from '../../src/schedules/plan-runs.ts';

const at = (time: string): Date => new Date(`2026-05-05T${time}Z`);

const schedule = (more: Partial<PlannedSchedule>): PlannedSchedule => ({
  cron: '0 * * * *',
  timeZone: 'UTC',
  missedRuns: 'SKIP',
  nextRunAt: at('10:00:00'),
  ...more,
});

describe('planning runs', () => {
  test('serves a due time, and finds the next one', () => {
    expect(planRuns(schedule({}), at('10:00:00'))).toEqual({ dueTimes: [at('10:00:00')], nextRunAt: at('11:00:00') });
  });

  test.each(['SKIP', 'RUN_ONCE'] as const)('takes a minute late for on time: %s', (missedRuns) => {
    const plan = planRuns(schedule({ missedRuns }), new Date(at('10:00:00').getTime() + GRACE_MS));
    expect(plan).toEqual({ dueTimes: [at('10:00:00')], nextRunAt: at('11:00:00') });
  });

  test('skips what was missed', () => {
    const late = at('10:01:00.001');
    expect(planRuns(schedule({}), late)).toEqual({ dueTimes: [], nextRunAt: at('11:00:00') });
    expect(planRuns(schedule({}), at('15:30:00'))).toEqual({ dueTimes: [], nextRunAt: at('16:00:00') });
  });

  test('makes one run for all that was missed, dated as the first of them', () => {
    const plan = planRuns(schedule({ missedRuns: 'RUN_ONCE' }), at('15:30:00'));
    expect(plan).toEqual({ dueTimes: [at('10:00:00')], nextRunAt: at('16:00:00') });
  });

  test('serves what is on time beside what was missed', () => {
    const now = at('15:00:20');
    expect(planRuns(schedule({}), now).dueTimes).toEqual([at('15:00:00')]);
    const plan = planRuns(schedule({ missedRuns: 'RUN_ONCE' }), now);
    expect(plan).toEqual({ dueTimes: [at('10:00:00'), at('15:00:00')], nextRunAt: at('16:00:00') });
  });

  test('serves late due times in several rounds, each once, and none of the future', () => {
    const now = at('10:00:17');
    const served: Date[] = [];
    let next = schedule({ cron: '* * * * * *' });
    let rounds = 0;
    while (next.nextRunAt <= now) {
      const plan = planRuns(next, now);
      expect(plan.dueTimes.length).toBeLessThanOrEqual(5);
      served.push(...plan.dueTimes);
      next = { ...next, nextRunAt: plan.nextRunAt as Date };
      rounds++;
    }
    expect(served).toEqual(Array.from({ length: 18 }, (_, i) => new Date(at('10:00:00').getTime() + i * 1_000)));
    expect(rounds).toBe(4);
  });

  test('goes on from the due time across a change of clocks', () => {
    const berlin = schedule({
      cron: '30 2 * * *',
      timeZone: 'Europe/Berlin',
      nextRunAt: new Date('2026-10-25T00:30Z'),
    });
    expect(planRuns(berlin, new Date('2026-10-25T00:30:05Z'))).toEqual({
      dueTimes: [new Date('2026-10-25T00:30Z')],
      nextRunAt: new Date('2026-10-26T01:30Z'),
    });
  });
});
