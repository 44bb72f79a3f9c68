/** What a check found. */
export interface Finding {
  /** What was looked at. */
  name: string;
  verdict: 'ok' | 'warning' | 'fault';
  /** What was seen. */
  detail: string;
  /** What to do; only where it is not ok. */
  advice?: string;
}

export const ok = (name: string, detail: string): Finding => ({ name, verdict: 'ok', detail });
export const warning = (name: string, detail: string, advice: string): Finding => ({
  ...{ name, verdict: 'warning', detail, advice },
});
export const fault = (name: string, detail: string, advice: string): Finding => ({
  ...{ name, verdict: 'fault', detail, advice },
});

/** Clocks that are further apart than this make times hard to read; schedules go by PostgreSQL's, leases by Redis'. */
const MAX_SKEW_MS = 2_000;

/**
 * Compares a clock with this machine's.
 *
 * @param name whose clock
 * @param at what it showed, in ms, at some time between `before` and `after` of this machine's
 * @param graininessMs it may be so much later than what it showed
 */
export const compareClock = (name: string, at: number, before: number, after: number, graininessMs = 0): Finding => {
  const ahead = Math.max(0, at - after);
  const behind = Math.max(0, before - (at + graininessMs));
  const skew = Math.max(ahead, behind);
  if (skew <= MAX_SKEW_MS) return ok(`clock of ${name}`, 'agrees with this one');
  const text = `is ${(skew / 1_000).toFixed(1)} s ${ahead > 0 ? 'ahead of' : 'behind'} this one`;
  return warning(`clock of ${name}`, text, 'Let both machines keep their time by NTP.');
};
