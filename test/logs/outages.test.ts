import { Redis } from 'ioredis';
import { pino } from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { BrokerNotReadyError } from '../../src/broker/define-function.ts';
import { openDatabase } from '../../src/database/client.ts';
import { createErrorMask } from '../../src/graphql/mask-errors.ts';
import { freePort } from '../../src/local/free-port.ts';
import { describeError } from '../../src/log-errors.ts';
import { reportFailures, SERIALIZERS } from '../../src/logger.ts';

interface Line {
  level: number;
  msg: string;
  reason?: string;
  err?: { stack?: string };
}

let lines: Line[];
const logger = pino(
  { level: 'trace', serializers: SERIALIZERS },
  { write: (line: string) => void lines.push(JSON.parse(line)) },
);

beforeEach(() => {
  lines = [];
});

const WARN = 40;
const ERROR = 50;

const failureOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => undefined).catch((error) => error);

const withoutPostgres = async (): Promise<unknown> => {
  const url = `postgresql://nobody@127.0.0.1:${await freePort()}/none`;
  const database = openDatabase({ url, poolSize: 1, timeoutMs: 1_000 });
  const error = await failureOf(database.$queryRaw`SELECT 1`);
  await database.$disconnect();
  return error;
};

const withoutRedis = async (): Promise<unknown> => {
  const redis = new Redis({ port: await freePort(), maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on('error', () => {});
  const error = await failureOf(redis.ping());
  redis.disconnect();
  return error;
};

const withoutData = async (): Promise<unknown> =>
  new BrokerNotReadyError('NOTREADY', { cause: new Error('NOTREADY the shard has no data') });

const OUTAGES = [
  ['PostgreSQL is away', withoutPostgres],
  ['Redis is away', withoutRedis],
  ['a shard waits to be rebuilt', withoutData],
] as const;

describe('an outage in the log', () => {
  test.each(OUTAGES)('has a reason and no stack: %s', async (_what, fail) => {
    const error = await fail();
    expect((error as Error).stack).toMatch(/\n +at /);
    const described = describeError(error);
    expect(described).toMatchObject({ type: expect.stringMatching(/Error$/), message: expect.stringMatching(/./) });
    expect(JSON.stringify(described)).not.toMatch(/"stack"|\\n/);
  });

  test('that every request meets is one line', async () => {
    const mask = createErrorMask(logger, { maxRequestBytes: 1_000, hidesSuggestions: false });
    for (const error of [await withoutPostgres(), await withoutRedis()])
      for (let i = 0; i < 3; i++) expect(mask(error).extensions.code).toBe('UNAVAILABLE');
    expect(lines.map(({ level, msg }) => ({ level, msg }))).toEqual([
      { level: WARN, msg: 'PostgreSQL cannot be reached for requests' },
      { level: WARN, msg: 'Redis cannot be reached for requests' },
    ]);
  });

  test('is told once for work that is done over and over, and a fault of ours each time, with its stack', async () => {
    const report = reportFailures(logger, { outage: 'it waits', fault: 'it failed' });
    for (const error of [await withoutPostgres(), await withoutRedis()]) report(error);
    for (let i = 0; i < 2; i++) report(new TypeError('no such thing'));
    expect(lines.map(({ level, msg }) => ({ level, msg }))).toEqual([
      { level: WARN, msg: 'it waits' },
      { level: ERROR, msg: 'it failed' },
      { level: ERROR, msg: 'it failed' },
    ]);
    expect(lines[1]?.err?.stack).toMatch(/^ +at .*outages\.test/);
  });
});
