import { describe, expect, test } from 'vitest';
import { TaskFlowError } from '../../src/errors.ts';
import { checkTimes, dueTimes, nextDueTime } from '../../src/schedules/cron-times.ts';

/** The due times after `from`, as "day hour:minute" in UTC. */
const due = (cron: string, timeZone: string, from: string, count: number): string[] =>
  dueTimes({ cron, timeZone }, new Date(from), count).map((at) => at.toISOString().slice(5, 16).replace('T', ' '));

describe('clocks that jump forward', () => {
  test('make a daily run due when they have jumped, where its time is left out', () => {
    expect(due('30 2 * * *', 'Europe/Berlin', '2026-03-27T12:00Z', 4)).toEqual([
      '03-28 01:30',
      '03-29 01:00',
      '03-30 00:30',
      '03-31 00:30',
    ]);
    expect(due('30 2 * * *', 'America/New_York', '2026-03-06T12:00Z', 4)).toEqual([
      '03-07 07:30',
      '03-08 07:00',
      '03-09 06:30',
      '03-10 06:30',
    ]);
  });

  test('leave an hourly run due in each hour that passes', () => {
    expect(due('0 * * * *', 'Europe/Berlin', '2026-03-28T22:30Z', 4)).toEqual([
      '03-28 23:00',
      '03-29 00:00',
      '03-29 01:00',
      '03-29 02:00',
    ]);
  });

  test('leave out steps within the hour that is left out', () => {
    expect(due('*/30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', 2)).toEqual(['03-30 00:00', '03-30 00:30']);
  });

  test('make times that fall together due once', () => {
    expect(due('0 2,3 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', 3)).toEqual([
      '03-29 01:00',
      '03-30 00:00',
      '03-30 01:00',
    ]);
  });

  test('jump by half an hour on Lord Howe', () => {
    expect(due('15 2 * * *', 'Australia/Lord_Howe', '2026-10-02T12:00Z', 3)).toEqual([
      '10-02 15:45',
      '10-03 15:30',
      '10-04 15:15',
    ]);
  });
});

describe('clocks that are set back', () => {
  test('make a daily run due the first time only', () => {
    expect(due('30 2 * * *', 'Europe/Berlin', '2026-10-23T12:00Z', 4)).toEqual([
      '10-24 00:30',
      '10-25 00:30',
      '10-26 01:30',
      '10-27 01:30',
    ]);
    expect(due('30 1 * * *', 'America/New_York', '2026-10-30T12:00Z', 4)).toEqual([
      '10-31 05:30',
      '11-01 05:30',
      '11-02 06:30',
      '11-03 06:30',
    ]);
  });

  test('leave an hourly run, and one every ten minutes, due as the time passes', () => {
    expect(due('0 * * * *', 'America/New_York', '2026-11-01T03:30Z', 4)).toEqual([
      '11-01 04:00',
      '11-01 05:00',
      '11-01 06:00',
      '11-01 07:00',
    ]);
    const minutes = dueTimes(
      { cron: '*/10 * * * *', timeZone: 'Australia/Lord_Howe' },
      new Date('2026-04-04T13:00Z'),
      20,
    );
    expect(minutes).toHaveLength(20);
    for (const [i, at] of minutes.entries()) expect(at.getTime()).toBe(Date.UTC(2026, 3, 4, 13, 10 * (i + 1)));
  });
});

describe('the next due time', () => {
  const ZONES = [
    ['Europe/Berlin', '2026-03-28T22:00Z'],
    ['Europe/Berlin', '2026-10-24T22:00Z'],
    ['America/New_York', '2026-03-08T04:00Z'],
    ['America/New_York', '2026-11-01T04:00Z'],
    ['Australia/Lord_Howe', '2026-04-04T12:00Z'],
    ['Africa/Cairo', '2026-10-29T19:00Z'],
  ] as const;
  const CRONS = ['30 2 * * *', '0 * * * *', '*/30 2 * * *', '15,45 1,2 * * *', '0 */2 * * *', '0 0 * * *'];

  test.each(ZONES)(
    'is the same wherever the search begins, around a change of clocks: %s from %s',
    (timeZone, from) => {
      const start = Date.parse(from);
      for (const cron of CRONS) {
        const chain = dueTimes({ cron, timeZone }, new Date(start), 60);
        for (let at = start; at < start + 12 * 3_600_000; at += 5 * 60_000) {
          const expected = chain.find((each) => each.getTime() > at);
          expect([cron, new Date(at), nextDueTime({ cron, timeZone }, new Date(at))]).toEqual([
            cron,
            new Date(at),
            expected,
          ]);
        }
      }
    },
  );

  test('comes after the time given, to the second', () => {
    const times = { cron: '* * * * * *', timeZone: 'UTC' };
    expect(nextDueTime(times, new Date('2026-01-01T00:00:00.000Z'))).toEqual(new Date('2026-01-01T00:00:01Z'));
    expect(nextDueTime(times, new Date('2026-01-01T00:00:00.999Z'))).toEqual(new Date('2026-01-01T00:00:01Z'));
  });

  test('is listed for ten years at most', () => {
    expect(due('0 0 29 2 *', 'UTC', '2026-01-01T00:00Z', 50)).toEqual(['02-29 00:00', '02-29 00:00']);
  });
});

describe('checking an expression', () => {
  const NOW = new Date('2026-01-01T00:00Z');
  const refusal = (cron: string, timeZone = 'UTC') => {
    try {
      checkTimes({ cron, timeZone }, NOW);
    } catch (error) {
      const { code, details, message } = error as TaskFlowError;
      expect(error).toBeInstanceOf(TaskFlowError);
      return { code, field: details.field, message };
    }
    throw new Error(`${cron} was accepted`);
  };

  test.each(['+02:00', '-0530', '+02'])('takes no offset for a time zone: %s', (timeZone) => {
    expect(refusal('@daily', timeZone)).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.timeZone' });
  });

  test.each([
    ['0 9 * * MON-FRI', '2026-01-01T09:00:00.000Z'],
    [' 0  9 * * 1 ', '2026-01-05T09:00:00.000Z'],
    ['15 0 9 * * *', '2026-01-01T09:00:15.000Z'],
    ['0 0 L * *', '2026-01-31T00:00:00.000Z'],
    ['0 0 13 * 5', '2026-01-02T00:00:00.000Z'],
    ['@hourly', '2026-01-01T01:00:00.000Z'],
    ['@daily', '2026-01-02T00:00:00.000Z'],
    ['@weekly', '2026-01-04T00:00:00.000Z'],
    ['@monthly', '2026-02-01T00:00:00.000Z'],
    ['@yearly', '2027-01-01T00:00:00.000Z'],
    ['0 0 29 2 *', '2028-02-29T00:00:00.000Z'],
  ])('accepts %s, and finds when it is first due', (cron, first) => {
    expect(checkTimes({ cron, timeZone: 'UTC' }, NOW).toISOString()).toBe(first);
  });

  test.each([
    ['', /"" has 0 fields\. It takes five fields/],
    ['* * * *', /has 4 fields\. It takes five fields/],
    ['tomorrow', /has 1 field\. It takes five fields/],
    ['2027-01-01T00:00:00', /has 1 field\. It takes five fields/],
    ['0 0 0 1 1 * 2027', /has 7 fields\. It takes five fields/],
    ['@every 5m', /has 2 fields\. It takes five fields/],
    ['61 * * * *', /cannot be read: Invalid value for minute: 61\./],
    ['0 24 * * *', /cannot be read: Invalid value for hour: 24\./],
    ['0 0 0 * *', /cannot be read: Invalid value for day: 0\./],
    ['0 0 1 13 *', /cannot be read: Invalid value for month: 13\./],
    ['0 0 * * 8', /cannot be read: Invalid value for dayOfWeek: 8\./],
    ['*/0 * * * *', /cannot be read: Syntax error, illegal stepping: 0\./],
    ['a * * * *', /cannot be read: .*\(a\) contains illegal characters\./],
    ['@fortnightly', /cannot be read: /],
    ['@reboot', /cannot be read: @reboot is not supported/],
    ['0 0 31 2 *', /"0 0 31 2 \*" is never due/],
    ['0 0 31 4,6,9,11 *', /is never due/],
  ])('refuses "%s" and says why', (cron, message) => {
    expect(refusal(cron)).toEqual({
      code: 'BAD_USER_INPUT',
      field: 'input.cron',
      message: expect.stringMatching(message),
    });
  });

  test('refuses one of more than 200 characters', () => {
    expect(refusal(`${'0,'.repeat(100)}0 * * * *`)).toMatchObject({ field: 'input.cron' });
  });

  test.each(['Europe/Nowhere', 'CEST', '', 'Europe/Berlin '])('refuses the time zone "%s"', (timeZone) => {
    expect(refusal('0 0 * * *', timeZone)).toEqual({
      code: 'BAD_USER_INPUT',
      field: 'input.timeZone',
      message: expect.stringContaining(`"${timeZone}" is no known time zone`),
    });
  });
});
