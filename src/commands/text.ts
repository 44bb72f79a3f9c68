/** What a terminal obeys instead of showing it, and what turns the order of letters around. */
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Text of others in one line. It may hold sequences that move the cursor or write into the clipboard: they are spelt out. */
export const plain = (text: string): string => text.replace(/[\n\t]/g, ' ').replace(CONTROLS, escaped);

/** The same where lines and tabs are to stay, as in a stack. */
export const plainLines = (text: string): string =>
  text.replace(CONTROLS, (character) => ('\n\t'.includes(character) ? character : escaped(character)));

/** One value as one line of JSON, which is safe to show. */
export const toJsonLine = (value: unknown): string => (JSON.stringify(value) ?? 'null').replace(CONTROLS, escaped);

/** A value as JSON for people. */
export const toPrettyJson = (value: unknown): string => plainLines(JSON.stringify(value, null, 2) ?? 'null');

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** "850ms", "1.4s", "12m", "3h": the largest unit of which there is one. */
export const duration = (ms: number): string => {
  const [unit, size] = UNITS.find(([, size]) => ms >= size) ?? ['ms', 1];
  const count = ms / size;
  return `${unit === 's' && count < 10 ? count.toFixed(1) : Math.floor(Math.max(0, count))}${unit}`;
};

/** How long ago it was; empty for no time. */
export const age = (at: string | null, now = Date.now()): string => (at === null ? '' : duration(now - Date.parse(at)));

/** "2030-01-31 12:00:00.250", by this machine's clock and time zone; empty for no time. */
export const localTime = (at: string | Date | null): string => {
  if (at === null) return '';
  const date = new Date(at);
  return `${date.toLocaleString('sv-SE')}.${String(date.getMilliseconds()).padStart(3, '0')}`;
};

/** "1,234" */
export const count = (value: number): string => value.toLocaleString('en');

/** "1 task", "1,234 tasks" */
export const counted = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
