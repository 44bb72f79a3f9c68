/** What all present values of a column are; "empty" where there are none. */
export type ColumnType = 'number' | 'boolean' | 'date' | 'string' | 'empty';

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
/** 00501 is a code, not the number 501; 0.5 and 0 are numbers. */
const CODE = /^[+-]?0\d/;
const BOOLEAN = /^(?:true|false)$/i;

const TIME = String.raw`(?:[T ](?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?`;
const MONTH_NAME = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*';
const DATES = [
  new RegExp(String.raw`^\d{4}([-/])(?<month>\d{1,2})\1(?<day>\d{1,2})${TIME}$`),
  // Both orders are in use, so nothing is said about which part is the month.
  new RegExp(String.raw`^(?<day>\d{1,2})[/.](?<day2>\d{1,2})[/.](?:\d{2}|\d{4})${TIME}$`),
  new RegExp(String.raw`^${MONTH_NAME} (?<day>\d{1,2}),? \d{4}${TIME}$`, 'i'),
  new RegExp(String.raw`^(?<day>\d{1,2})[ -]${MONTH_NAME}[ -]\d{4}${TIME}$`, 'i'),
];
/** No date is longer than 2024-01-31T23:59:59.123456789+01:00. */
const MAX_DATE_LENGTH = 35;

/** @returns the number that the text is; undefined for codes with leading zeros, and for what a double cannot hold */
export const parseNumber = (text: string): number | undefined => {
  if (!NUMBER.test(text) || CODE.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
};

export const isBoolean = (text: string): boolean => BOOLEAN.test(text);

/** ISO 8601, and the usual forms with slashes, dots or a month's English name, with or without a time. */
export const isDate = (text: string): boolean => {
  if (text.length > MAX_DATE_LENGTH) return false;
  for (const form of DATES) {
    const parts = form.exec(text)?.groups;
    if (parts) return arePossible(parts);
  }
  return false;
};

const arePossible = ({
  month = '1',
  day = '1',
  day2 = '1',
  hour = '0',
  minute = '0',
  second = '0',
}: Record<string, string | undefined>) =>
  isBetween(month, 1, 12) &&
  isBetween(day, 1, 31) &&
  isBetween(day2, 1, 31) &&
  isBetween(hour, 0, 24) &&
  isBetween(minute, 0, 59) &&
  isBetween(second, 0, 60);

const isBetween = (text: string, min: number, max: number): boolean => Number(text) >= min && Number(text) <= max;
