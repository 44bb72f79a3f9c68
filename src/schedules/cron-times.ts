import { Cron } from 'croner';
import { badInput } from '../errors.ts';

/** When something is due: a cron expression, and the IANA name of the time zone whose clocks it reads. */
export interface CronTimes {
  cron: string;
  timeZone: string;
}

const FORMS =
  'It takes five fields (minute, hour, day of month, month, day of week), six with seconds before them, or a word such as @daily';
const MAX_LENGTH = 200;
/** How far ahead due times are listed: a rare one ("the last Monday of a leap February") takes milliseconds to find. */
const MAX_YEARS_AHEAD = 10;

const open = ({ cron, timeZone }: CronTimes): Cron => new Cron(cron, { timezone: timeZone, mode: '5-or-6-parts' });

/**
 * The first due time after `after`, to the second. A local time that a change of clocks leaves out is due when the clocks
 * have jumped; one that comes twice is due the first time only. What is due in every hour, or at steps within one, goes on
 * with the time that passes. (docs/schedules.md has examples, and a test the exact times.)
 *
 * @returns null when it never comes again
 * @throws when the expression or the time zone is not valid
 */
export const nextDueTime = (times: CronTimes, after: Date): Date | null => open(times).nextRun(after);

/** @returns up to `count` due times after `after`, of the ten years that follow it, in order */
export const dueTimes = (times: CronTimes, after: Date, count: number): Date[] => {
  const cron = open(times);
  const end = new Date(after);
  end.setUTCFullYear(end.getUTCFullYear() + MAX_YEARS_AHEAD);
  const found: Date[] = [];
  for (let due = after; found.length < count; found.push(due)) {
    const next = cron.nextRun(due);
    if (!next || next > end) break;
    due = next;
  }
  return found;
};

/**
 * Checks an expression and a time zone, as a client gave them.
 *
 * @param now from when on it must be due at least once
 * @returns the first due time
 * @throws TaskFlowError BAD_USER_INPUT that names input.cron or input.timeZone, and says what is wrong with it
 */
export const checkTimes = (times: CronTimes, now: Date): Date => {
  checkTimeZone(times.timeZone);
  checkForm(times.cron);
  let first: Date | null;
  try {
    first = nextDueTime(times, now);
  } catch (error) {
    throw badInput('input.cron', `input.cron: "${times.cron}" cannot be read: ${reasonOf(error)} ${FORMS}.`);
  }
  if (!first) throw badInput('input.cron', `input.cron: "${times.cron}" is never due: there is no such day.`);
  return first;
};

/** Intl also takes "+02:00", which has no clocks that change. */
const OFFSET = /^[+-]\d/;

const checkTimeZone = (timeZone: string): void => {
  try {
    if (OFFSET.test(timeZone)) throw new RangeError('an offset is no name');
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw badInput(
      'input.timeZone',
      `input.timeZone: "${timeZone}" is no known time zone. It takes an IANA name such as "Europe/Berlin", or "UTC".`,
    );
  }
};

/** What croner would also take: ISO times, which are due once; and a seventh field, with years. */
const checkForm = (cron: string): void => {
  if (cron.length > MAX_LENGTH) {
    throw badInput('input.cron', `input.cron must have at most ${MAX_LENGTH} characters.`, MAX_LENGTH);
  }
  const fields = cron.trim().split(/\s+/);
  if (fields.length === 5 || fields.length === 6 || (fields.length === 1 && cron.trim().startsWith('@'))) return;
  const count = cron.trim() === '' ? 0 : fields.length;
  throw badInput('input.cron', `input.cron: "${cron}" has ${count} ${count === 1 ? 'field' : 'fields'}. ${FORMS}.`);
};

/** croner counts days and months from 0 in its messages: the 0th of a month is "day: -1" there, and the 13th month "month: 12". */
const reasonOf = (error: unknown): string => {
  const message = (error as Error).message
    .replace(/^CronPattern: /, '')
    .replace(/\b(day|month): (-?\d+)$/, (_, unit, value) => `${unit}: ${Number(value) + 1}`);
  return message.endsWith('.') ? message : `${message}.`;
};
