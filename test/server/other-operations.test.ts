import { buildSchema, execute, parse, subscribe } from 'graphql';
import { expect, test, vi } from 'vitest';
import { Mailbox } from '../../src/realtime/mailbox.ts';
import { makeOtherProtocol, OtherOperations } from '../../src/server/other-operations.ts';
import type { PreparedOperation } from '../../src/server/prepare-operation.ts';

const schema = buildSchema('type Query { n: Int } type Subscription { n: Int }');
const source = new Mailbox<{ n: number }>(10, () => {});
Object.assign(schema.getSubscriptionType()?.getFields().n ?? {}, { subscribe: () => source });

const open = () => {
  const sent: unknown[] = [];
  const fail = vi.fn();
  const send = async (message: string) => void sent.push(JSON.parse(message));
  const operations = new OtherOperations(makeOtherProtocol(), { send, fail });
  const run = (id: string, query: string): void => {
    const args = { schema, document: parse(query), operationName: undefined, variableValues: undefined };
    const engine = { execute, subscribe } as unknown as PreparedOperation['engine'];
    const prepared = { args, engine, contextValue: {} } as unknown as PreparedOperation;
    operations.run(id, prepared, JSON.stringify({ type: 'subscribe', id, payload: { query } }));
  };
  return { operations, sent, fail, run };
};

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('an operation has its result, then its end; its client was acknowledged by others', async () => {
  const { operations, run, sent, fail } = open();
  run('1', '{ n }');
  expect(operations.has('1')).toBe(true);
  expect(operations.size).toBe(1);
  await settled();
  expect(sent).toEqual([
    { id: '1', type: 'next', payload: { data: { n: null } } },
    { id: '1', type: 'complete' },
  ]);
  expect(operations.size).toBe(0);
  expect(fail).not.toHaveBeenCalled();
});

test('a subscription is counted as long as it runs, and ends with its socket', async () => {
  const { operations, run, sent } = open();
  run('1', 'subscription { n }');
  await settled();
  expect(operations.size).toBe(1);
  source.push({ n: 1 });
  await settled();
  expect(sent).toEqual([{ id: '1', type: 'next', payload: { data: { n: 1 } } }]);
  await operations.close(1000, '');
  expect(await source.next()).toMatchObject({ done: true });
});

test("what graphql-ws cannot do is a fault of the server's", async () => {
  const { operations, fail } = open();
  operations.receive('{ "type": "subscribe", "id": "1", "payload": { "query": "{ n }" } }');
  await settled();
  expect(fail).toHaveBeenCalledWith(new Error('the operation 1 was not prepared'));
});
