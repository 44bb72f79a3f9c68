import pg from 'pg';
import { onTestFinished, vi } from 'vitest';

/**
 * Collects the SQL that this process sends from now on, whoever sends it, until the test ends; but for the look-up of
 * credentials, which is made once a second and may fall anywhere.
 */
export const recordQueries = (): string[] => {
  const texts: string[] = [];
  const original = pg.Client.prototype.query;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [config] = args;
    const text = typeof config === 'string' ? config : String((config as { text?: string }).text);
    if (!text.includes('"token_version"')) texts.push(text);
    return original.apply(this, args as never) as never;
  });
  onTestFinished(() => void spy.mockRestore());
  return texts;
};
