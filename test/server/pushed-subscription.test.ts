import { buildSchema, GraphQLError, parse } from 'graphql';
import { describe, expect, test, vi } from 'vitest';
import type { OpenSession } from '../../src/accounts/open-sessions.ts';
import type { Principal } from '../../src/accounts/principal.ts';
import type { Context, Services } from '../../src/graphql/context.ts';
import { Mailbox } from '../../src/realtime/mailbox.ts';
import { PushedSubscription, type SubscriptionOwner } from '../../src/server/pushed-subscription.ts';

const principalOf = (userId: string): Principal =>
  ({ userId, expiresAtMs: Number.POSITIVE_INFINITY }) as unknown as Principal;

interface Options {
  write?: (value: unknown) => string | undefined;
  /** What the resolver of an execution gives. */
  resolve?: (value: unknown) => unknown;
  /** What sending returns. */
  send?: () => Promise<void> | undefined;
  /** Whose credentials it begins with; the socket's are those of "a". */
  who?: string;
}

/** A subscription to numbers. */
const open = ({ write, resolve, send, who = 'a' }: Options = {}) => {
  const left = vi.fn();
  const source = new Mailbox<unknown>(10, left);
  const schema = buildSchema('type Query { ok: Boolean } type Subscription { n: String }');
  Object.assign(schema.getSubscriptionType()?.getFields().n ?? {}, { subscribe: () => source, resolve });
  const sent: string[] = [];
  const ended: (string | undefined)[] = [];
  const sessions = new Set<OpenSession>();
  const services = { sessions } as unknown as Services;
  const owner: SubscriptionOwner = {
    principal: principalOf('a'),
    address: '',
    services,
    maskError: (error) => new GraphQLError(`masked ${(error as Error).message}`),
    sendResult: (id, text) => {
      sent.push(`${id} ${text}`);
      return send?.();
    },
    finish: (_subscription, error) => void ended.push(error?.message),
  };
  const subscription = new PushedSubscription(owner, '1');
  const args = { schema, document: parse('subscription { n }'), operationName: undefined, variableValues: undefined };
  const contextValue: Context = { services, address: '', principal: principalOf(who) };
  const onEnd = vi.fn();
  const begin = () => subscription.begin(args, contextValue, write ?? ((value) => `"written ${value}"`), () => onEnd);
  return { subscription, source, begin, sent, ended, sessions, onEnd, left, schema };
};

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a pushed subscription', () => {
  test('sends results as their values come', async () => {
    const { source, begin, sent } = open();
    source.push(1);
    expect(await begin()).toBeUndefined();
    source.push(2);
    expect(sent).toEqual(['1 "written 1"', '1 "written 2"']);
  });

  test('keeps their order where one takes an execution', async () => {
    const write = (value: unknown) => (value === 2 ? undefined : `"written ${value}"`);
    const { source, begin, sent } = open({ write, resolve: async (value) => `executed ${value}` });
    await begin();
    for (let i = 1; i <= 3; i++) source.push(i);
    expect(sent).toEqual(['1 "written 1"']);
    await settled();
    expect(sent).toEqual(['1 "written 1"', '1 {"data":{"n":"executed 2"}}', '1 "written 3"']);
  });

  test('masks errors of an execution, and goes on', async () => {
    const resolve = () => {
      throw new Error('it broke');
    };
    const { source, begin, sent, ended } = open({ write: () => undefined, resolve });
    await begin();
    source.push(1);
    await settled();
    expect(sent).toHaveLength(1);
    expect(sent[0]).toContain('"message":"masked it broke"');
    expect(ended).toEqual([]);
  });

  test('waits for a client that cannot take more', async () => {
    const { promise, resolve: goOn } = Promise.withResolvers<void>();
    const { source, begin, sent } = open({ send: () => promise });
    await begin();
    source.push(1);
    source.push(2);
    await settled();
    expect(sent).toHaveLength(1);
    goOn();
    await settled();
    expect(sent).toHaveLength(2);
  });

  test('ends with the masked error that cut its source off', async () => {
    const { source, begin, ended, onEnd } = open();
    await begin();
    source.fail(new Error('too slow'));
    expect(ended).toEqual(['masked too slow']);
    expect(onEnd).toHaveBeenCalledOnce();
  });

  test('ends with the error of a socket that breaks, and leaves its source', async () => {
    const { source, begin, ended, left, onEnd } = open({ send: () => Promise.reject(new Error('broken')) });
    await begin();
    source.push(1);
    await settled();
    expect(ended).toEqual(['masked broken']);
    expect(left).toHaveBeenCalledOnce();
    expect(onEnd).toHaveBeenCalledOnce();
  });

  test('says nothing more to a client that has left, also after what takes long', async () => {
    const { promise, resolve: goOn } = Promise.withResolvers<string>();
    const { subscription, source, begin, sent, ended, onEnd, left } = open({
      write: () => undefined,
      resolve: () => promise,
    });
    await begin();
    source.push(1);
    subscription.stop();
    subscription.stop();
    goOn('late');
    await settled();
    expect(sent).toEqual([]);
    expect(ended).toEqual([]);
    expect(onEnd).toHaveBeenCalledOnce();
    expect(left).toHaveBeenCalledOnce();
  });

  test('does not begin for a client that has left meanwhile', async () => {
    const { subscription, source, begin, sent, onEnd, left } = open();
    const begun = begin();
    subscription.stop();
    expect(await begun).toBeUndefined();
    source.push(1);
    expect(sent).toEqual([]);
    expect(left).toHaveBeenCalledOnce();
    expect(onEnd).not.toHaveBeenCalled();
  });

  test('gives the masked result of one that was refused', async () => {
    const { begin, schema, onEnd } = open();
    const field = schema.getSubscriptionType()?.getFields().n;
    if (field) field.subscribe = () => Promise.reject(new Error('not yours'));
    expect(await begin()).toMatchObject({ errors: [{ message: 'masked not yours' }] });
    expect(onEnd).not.toHaveBeenCalled();
  });
});

describe('the credentials of a pushed subscription', () => {
  test("are the socket's to watch where they are the same", async () => {
    const { begin, sessions } = open();
    await begin();
    expect(sessions.size).toBe(0);
  });

  test('are watched where they are others, and end it with the error', async () => {
    const { source, begin, sessions, sent, ended, left, onEnd } = open({ who: 'b' });
    await begin();
    const [session] = sessions;
    expect(session?.principal).toMatchObject({ userId: 'b' });
    session?.expire(new Error('revoked'));
    source.push(1);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toContain('"message":"masked revoked"');
    expect(ended).toEqual([undefined]);
    expect(sessions.size).toBe(0);
    expect(left).toHaveBeenCalledOnce();
    expect(onEnd).toHaveBeenCalledOnce();
  });

  test('are no longer watched once its client has left', async () => {
    const { subscription, begin, sessions, sent } = open({ who: 'b' });
    await begin();
    const [session] = sessions;
    subscription.stop();
    expect(sessions.size).toBe(0);
    session?.expire(new Error('revoked'));
    expect(sent).toEqual([]);
  });
});
