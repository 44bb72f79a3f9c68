import pg from 'pg';
import { onTestFinished, vi } from 'vitest';

export interface Statement {
  text: string;
  values: unknown[];
}

/**
 * Collects the statements that this process sends from now on, whoever sends them, until the test ends; but for those that are
 * made now and then in the background, and may fall anywhere.
 */
export const recordStatements = (): Statement[] => {
  const statements: Statement[] = [];
  collect((statement) => statements.push(statement));
  return statements;
};

/** As `recordStatements`, only their SQL. */
export const recordQueries = (): string[] => {
  const texts: string[] = [];
  collect(({ text }) => texts.push(text));
  return texts;
};

/**
 * The look-up of credentials, once a second, that of draining queues, twice, the outbox of what Redis has, some ms later, and
 * the uses of credentials, a second later.
 */
const isBackground = (text: string): boolean =>
  text.includes('DELETE FROM outbox') ||
  text.includes('SET last_seen_at') ||
  text.includes('"token_version"') ||
  (text.includes('"is_draining"') && !text.includes('"is_paused"'));

const collect = (add: (statement: Statement) => void): void => {
  const original = pg.Client.prototype.query;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [config] = args;
    const { text, values } = typeof config === 'string' ? { text: config } : (config as Partial<Statement>);
    if (!isBackground(text ?? '')) add({ text: String(text), values: values ?? [] });
    return original.apply(this, args as never) as never;
  });
  onTestFinished(() => void spy.mockRestore());
};
