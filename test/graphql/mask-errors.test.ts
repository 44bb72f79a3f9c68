import { GraphQLError } from 'graphql';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { TaskFlowError } from '../../src/errors.ts';
import { createErrorMask } from '../../src/graphql/mask-errors.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { subscribe } from '../support/sockets.ts';

const logged: { err?: { message: string }; errorId?: string; level: number }[] = [];
const logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
const mask = createErrorMask(logger, { maxRequestBytes: 1_000, hidesSuggestions: false });

describe('an error', () => {
  test('that clients are meant to see keeps its message, code and details', () => {
    const error = mask(new TaskFlowError('RATE_LIMITED', 'Too many.', { retryAfter: 7 }));
    expect(error.toJSON()).toEqual({
      message: 'Too many.',
      extensions: { code: 'RATE_LIMITED', retryAfter: 7, http: { status: 429, headers: { 'retry-after': '7' } } },
    });
  });

  test('of a field keeps its path and place, however often it was wrapped', () => {
    const inner = new GraphQLError('x', { originalError: new TaskFlowError('FORBIDDEN', 'No.') });
    const error = mask(new GraphQLError('y', { originalError: inner, path: ['task', 'id'] }));
    expect(error.toJSON()).toEqual({ message: 'No.', path: ['task', 'id'], extensions: { code: 'FORBIDDEN' } });
  });

  test.each([
    ['UNAUTHENTICATED', 401],
    ['UNAVAILABLE', 503],
    ['CONFLICT', 200],
  ] as const)('of a whole request with code %s has status %d', (code, status) => {
    expect(mask(new TaskFlowError(code, 'x')).extensions.http).toEqual({ status });
  });

  test.each([new Error('password is hunter2'), 'password is hunter2', { code: 'UNAUTHENTICATED' }])(
    'that nobody expected shows nothing but an id, which the log has with all of it',
    (thrown) => {
      const error = mask(new GraphQLError('hunter2', { originalError: thrown as Error, path: ['me'] }));
      expect(error.message).toBe('Internal error');
      expect(JSON.stringify(error)).not.toContain('hunter2');
      expect(logged.at(-1)).toMatchObject({ errorId: error.extensions.errorId, level: 50 });
    },
  );

  test('of GraphQL itself may not choose a code that is ours', () => {
    expect(mask(new GraphQLError('x', { extensions: { code: 'INTERNAL_SERVER_ERROR' } })).extensions.code).toBe(
      'BAD_USER_INPUT',
    );
  });
});

describe('a fault of ours', () => {
  let app: ApiApp;
  let user: TestUser;
  beforeAll(async () => {
    app = await setupApi();
    user = await app.user();
  });
  afterAll(() => app.close());

  test('is INTERNAL in an answer of status 200, beside what could be answered', async () => {
    vi.spyOn(app.services.taskTypes, 'list').mockRejectedValueOnce(new Error('at /secret/path'));
    const answer = await user.call('{ taskTypes { type } }');
    expect(answer.status).toBe(200);
    expect(errorOf(answer)).toEqual({ code: 'INTERNAL', errorId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(JSON.stringify(answer)).not.toContain('secret');
  });

  test('is INTERNAL when it stops a whole request or the beginning of a subscription', async () => {
    const spy = vi.spyOn(app.services.authenticator, 'authenticate').mockRejectedValueOnce(new Error('secret'));
    const answer = await user.call('{ me { id } }');
    expect(answer.status).toBe(200);
    expect(errorOf(answer)).toMatchObject({ code: 'INTERNAL' });
    spy.mockRestore();
    vi.spyOn(app.services.queueWatcher, 'watch').mockRejectedValueOnce(new Error('secret'));
    const refused = await subscribe(app.yoga, user.headers, 'subscription { queueUpdated(name: "x") { name } }').then(
      () => undefined,
      (error) => error,
    );
    expect(errorOf(refused)).toMatchObject({ code: 'INTERNAL' });
  });
});
