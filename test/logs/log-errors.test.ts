import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import { GraphQLError } from 'graphql';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complete } from '../../src/broker/calls.ts';
import { TaskFlowError } from '../../src/errors.ts';
import { describeError, describeErrorInText } from '../../src/log-errors.ts';
import { SERIALIZERS } from '../../src/logger.ts';
import { setup, type TestApp } from '../support/setup.ts';

/** What must never be logged. */
const SECRET = 'marked-secret-4711';

let app: TestApp;
beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());

const thrownBy = async (work: () => unknown): Promise<Error> => {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
};

const SOURCES: [string, () => unknown, RegExp][] = [
  [
    'a command that Redis refuses',
    () => app.broker.high.redis.call('NO-SUCH-COMMAND', 'key', SECRET),
    /^ERR unknown command/,
  ],
  [
    'a function that fails in Redis',
    async () => {
      const [shard] = app.broker.low.shards;
      if (!shard) throw new Error('no shard');
      await shard.lane.redis.set(`${shard.tag}:meta`, 'a text, and no hash');
      await complete(shard, { worker: SECRET }, [{ id: SECRET, token: SECRET, result: SECRET }]).finally(() =>
        shard.lane.redis.del(`${shard.tag}:meta`),
      );
    },
    /WRONGTYPE/,
  ],
  [
    'a login that Redis refuses',
    () => app.broker.high.redis.duplicate({ enableOfflineQueue: true }).auth('nobody', SECRET),
    /WRONGPASS/,
  ],
  ['raw SQL with data that is none', () => app.database.$queryRaw`SELECT ${SECRET}::text::int`, /22P02/],
  [
    'arguments that Prisma does not take',
    () => app.database.user.findMany({ where: { email: { nothing: SECRET } } } as never),
    /./,
  ],
  [
    'a statement of the driver',
    async () => {
      const client = new pg.Client({ connectionString: app.databaseUrl });
      await client.connect();
      await client.query('SELECT $1::int', [SECRET]).finally(() => client.end());
    },
    /PostgreSQL refused the data \(22P02\)/,
  ],
  ['a URL that is none', () => new URL(`postgresql://user:${SECRET}@:5432:1`), /Invalid URL/],
  ['a text that is no JSON', () => JSON.parse(SECRET), /Unexpected token/],
  [
    'an argument that Node refuses',
    () => Buffer.alloc(SECRET as unknown as number),
    /The "size" argument must be of type number/,
  ],
];

describe('an error in the log', () => {
  test.each(SOURCES)('of %s says what is wrong, and nothing that was sent', async (_what, work, message) => {
    const error = await thrownBy(work);
    // Else there would be nothing to leave out.
    expect(inspect(error, { depth: 10 })).toContain(SECRET);
    const described = describeError(new Error('outer', { cause: error }));
    expect(JSON.stringify(described)).not.toContain(SECRET);
    expect(describeErrorInText(error)).not.toContain(SECRET);
    expect(described.cause?.message).toMatch(message);
    expect(described.cause?.type).toBe(error.constructor.name);
  });

  test('keeps type, code and frames, of causes and of many, too', () => {
    const cause = Object.assign(new TypeError('inner'), { code: 'EINNER', command: { args: [SECRET] } });
    const described = describeError(new AggregateError([cause], 'all failed', { cause }));
    expect(described).toEqual({
      type: 'AggregateError',
      message: 'all failed',
      stack: expect.stringMatching(/^ +at .*log-errors\.test/),
      cause: { type: 'TypeError', message: 'inner', code: 'EINNER', stack: expect.stringMatching(/^ +at /) },
      errors: [{ type: 'TypeError', message: 'inner', code: 'EINNER', stack: expect.stringMatching(/^ +at /) }],
    });
  });

  test('ends where causes do not', () => {
    const error = new Error('again');
    error.cause = error;
    expect(JSON.stringify(describeError(error)).match(/again/g)?.length).toBe(5);
  });

  test('shows no credentials of a URL, no value of a variable, and no book', () => {
    const url = new Error(`connect to postgresql://user:${SECRET}@host:5432/name failed`);
    expect(describeError(url).message).toBe('connect to postgresql://***@host:5432/name failed');
    const variable = new GraphQLError(`Variable "$input" got invalid value "${SECRET}"; it is wrong.`);
    expect(describeError(variable).message).toBe('Variable "$input" …');
    expect(describeError(new Error('x'.repeat(100_000))).message.length).toBeLessThan(600);
    expect(describeError(SECRET)).toEqual({ type: 'string', message: 'what was thrown is no Error' });
  });

  test('is as it was written where TaskFlow wrote it', () => {
    const error = new TaskFlowError('CONFLICT', 'The queue mail is draining.');
    expect(describeError(error)).toMatchObject({ type: 'TaskFlowError', code: 'CONFLICT', message: error.message });
  });

  test('comes so through a logger that was given to a worker', () => {
    let line = '';
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        line += chunk;
        done();
      },
    });
    const own = pino(stream);
    const err = Object.assign(new Error('refused'), { command: { args: [SECRET] } });
    own.info({ err }, 'as pino does it');
    expect(line).toContain(SECRET);
    line = '';
    own.child({}, { serializers: SERIALIZERS }).info({ err }, 'as the worker does it');
    expect(line).toContain('refused');
    expect(line).not.toContain(SECRET);
  });
});
