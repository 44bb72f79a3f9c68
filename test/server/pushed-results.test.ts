import { describe, expect, test, vi } from 'vitest';
import { Mailbox } from '../../src/realtime/mailbox.ts';
import { PushedResults } from '../../src/server/pushed-results.ts';

const open = (more: Partial<ConstructorParameters<typeof PushedResults>[0]> = {}) => {
  const sent: string[] = [];
  const onEnd = vi.fn();
  const left = vi.fn();
  const source = new Mailbox<unknown>(10, left);
  const send = (text: string) => void sent.push(text);
  const results = new PushedResults({
    source,
    write: (value) => `written ${value}`,
    execute: async (value) => `executed ${value}`,
    send: send as () => undefined,
    maskError: (error) => new Error(`masked ${(error as Error).message}`),
    onEnd,
    ...more,
  });
  return { sent, source, results, onEnd, left };
};

const settled = () => new Promise((resolve) => setImmediate(resolve));
const DONE = { value: undefined, done: true };

describe('pushed results', () => {
  test('go out as their values come, once somebody asks for them', () => {
    const { source, results, sent } = open();
    source.push(1);
    expect(sent).toEqual([]);
    void results.next();
    source.push(2);
    expect(sent).toEqual(['written 1', 'written 2']);
  });

  test('keep their order where one takes an execution', async () => {
    const { source, results, sent } = open({ write: (value) => (value === 2 ? undefined : `written ${value}`) });
    void results.next();
    for (let i = 1; i <= 3; i++) source.push(i);
    expect(sent).toEqual(['written 1']);
    await settled();
    expect(sent).toEqual(['written 1', 'executed 2', 'written 3']);
  });

  test('wait for a client that cannot take more', async () => {
    const sent: string[] = [];
    let goOn: (() => void) | undefined;
    const send = (text: string): Promise<void> => {
      sent.push(text);
      return new Promise((resolve) => {
        goOn = resolve;
      });
    };
    const { source, results } = open({ send });
    void results.next();
    source.push(1);
    source.push(2);
    await settled();
    expect(sent).toEqual(['written 1']);
    goOn?.();
    await settled();
    expect(sent).toEqual(['written 1', 'written 2']);
  });

  test('end with the masked error that cut their source off', async () => {
    const { source, results, onEnd } = open();
    const next = results.next();
    source.fail(new Error('too slow'));
    await expect(next).rejects.toThrow('masked too slow');
    expect(await results.next()).toEqual(DONE);
    expect(onEnd).toHaveBeenCalledOnce();
  });

  test('end with the error of an execution that broke, and leave their source', async () => {
    const { source, results, left } = open({
      write: () => undefined,
      execute: () => Promise.reject(new Error('it broke')),
    });
    const next = results.next();
    source.push(1);
    await expect(next).rejects.toThrow('masked it broke');
    expect(left).toHaveBeenCalledOnce();
  });

  test.each(['before', 'while'])('end with a last result %s somebody waits', async (when) => {
    const { source, results, sent, onEnd, left } = open();
    const waiting = when === 'while' ? results.next() : undefined;
    results.endWith({ data: { last: true } });
    expect(await (waiting ?? results.next())).toEqual({ value: { data: { last: true } }, done: false });
    expect(await results.next()).toEqual(DONE);
    source.push(1);
    expect(sent).toEqual([]);
    expect(onEnd).toHaveBeenCalledOnce();
    expect(left).toHaveBeenCalledOnce();
  });

  test('end for a client that leaves, also while it cannot take more', async () => {
    let goOn: (() => void) | undefined;
    const busy = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const { source, results, onEnd, left } = open({ send: () => busy });
    const waiting = results.next();
    source.push(1);
    expect(await results.return()).toEqual(DONE);
    expect(await waiting).toEqual(DONE);
    goOn?.();
    await settled();
    expect(await results.next()).toEqual(DONE);
    expect(onEnd).toHaveBeenCalledOnce();
    expect(left).toHaveBeenCalledOnce();
  });
});
