import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { heartbeat } from '../../src/broker/calls.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { schema } from '../../src/graphql/schema.ts';
import { type ApiApp, setupApi, type TestUser } from '../support/api.ts';
import { operationsOf, withText } from '../support/operations.ts';
import { subscribe } from '../support/sockets.ts';

/** What would do something if a text ever became SQL, a Redis command, a header, a path or a pattern. */
const TEXTS: Record<string, string> = {
  'a quote that ends a literal': "' OR '1'='1",
  'a further statement': "'; DROP TABLE users CASCADE; --",
  'a statement that takes long': "'||pg_sleep(60)||'",
  'a placeholder and a dollar quote': '$1 $$; SELECT pg_sleep(60); $$',
  'an escaped quote': "\\'; DELETE FROM tasks; --",
  'a Redis command': '\r\n*1\r\n$8\r\nFLUSHALL\r\n',
  'a header': 'x\r\nSet-Cookie: injected=1\r\nX-Injected: 1',
  'a NUL': 'a\0b',
  'half of a surrogate pair': 'a\ud800b',
  'a path': '../../../../etc/passwd',
  'a key of a prototype': '__proto__',
  'a glob': '*',
  'a hash tag of Redis': '{x}:*',
  'a long text': 'x'.repeat(300_000),
};
const HARMLESS = ['BAD_USER_INPUT', 'UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'CONFLICT', 'PAYLOAD_TOO_LARGE'];
/** Far less than what an injected pg_sleep takes. */
const TOO_LONG_MS = 20_000;

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi({ settings: { PASSWORD_MEMORY_KIB: '1024' } });
  user = await app.admin();
  // One of the operations announces a type; these shall be known as well.
  const types = ['canary', 'echo'].map((type) => ({ type, payloadSchema: 'null', defaults: '{}' }));
  await heartbeat(app.broker.low.shards[0] as Shard, { worker: 'w', description: '{}', ttlMs: 600_000 }, types);
});
afterAll(() => app.close());

const codesOf = async (kind: string, document: string, variables: Record<string, unknown>): Promise<unknown[]> => {
  if (kind !== 'subscription') {
    const { status, headers, errors = [] } = await user.call(document, variables);
    expect(status).toBeLessThan(500);
    expect([headers.get('set-cookie'), headers.get('x-injected')]).toEqual([null, null]);
    return errors.map(({ extensions }) => extensions?.code);
  }
  try {
    await (await subscribe(app.yoga, user.headers, document, variables)).stop();
    return [];
  } catch (error) {
    return (error as { errors: { extensions: { code: string } }[] }).errors.map(({ extensions }) => extensions.code);
  }
};

describe.each(operationsOf(schema).filter(({ texts }) => texts.length > 0))('$kind $name', (operation) => {
  test.each(Object.entries(TEXTS))('takes %s in any text for a text', async (_what, text) => {
    const canary = await user.call('mutation { createTask(input: { type: "canary" }) { id } }');
    const keys = await app.broker.high.redis.dbsize();
    const startedAt = performance.now();
    for (const path of operation.texts) {
      const codes = await codesOf(operation.kind, operation.document, withText(operation.variables, path, text));
      for (const code of codes) expect({ path, code, ok: HARMLESS.includes(String(code)) }).toMatchObject({ ok: true });
    }
    expect(performance.now() - startedAt).toBeLessThan(TOO_LONG_MS);
    expect(await app.broker.high.redis.dbsize()).toBeGreaterThan(keys / 2);
    const { data } = await user.call(`{ me { id } task(id: "${canary.data.createTask.id}") { type } }`);
    expect(data).toEqual({ me: { id: user.id }, task: { type: 'canary' } });
  });
});

describe('what was stored', () => {
  test.each(
    Object.entries(TEXTS).filter(([what]) => !['a NUL', 'half of a surrogate pair', 'a long text'].includes(what)),
  )('comes back as it was: %s', async (_what, text) => {
    const input = { type: 'echo', payload: { [text]: text }, tags: ['injection'] };
    const { data } = await user.call(
      'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id payload } }',
      { input },
    );
    expect(Object.entries(data.createTask.payload)).toEqual([[text, text]]);
  });
});
