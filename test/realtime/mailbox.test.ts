import { describe, expect, test, vi } from 'vitest';
import { Mailbox } from '../../src/realtime/mailbox.ts';

const open = (limit = 3) => {
  const onClose = vi.fn();
  return { onClose, mailbox: new Mailbox<number>(limit, onClose) };
};

describe('a mailbox', () => {
  test('gives messages in order, those that wait and those to come', async () => {
    const { mailbox } = open(100);
    mailbox.push(1);
    mailbox.push(2);
    expect(await mailbox.next()).toEqual({ value: 1, done: false });
    mailbox.push(3);
    expect(await mailbox.next()).toEqual({ value: 2, done: false });
    expect(await mailbox.next()).toEqual({ value: 3, done: false });
    const waiting = mailbox.next();
    mailbox.push(4);
    mailbox.push(5);
    expect(await waiting).toEqual({ value: 4, done: false });
    expect(await mailbox.next()).toEqual({ value: 5, done: false });
  });

  test('cuts off a subscriber who is further behind than its limit, once, and drops what waits', async () => {
    const { mailbox, onClose } = open(3);
    for (let i = 1; i <= 3; i++) mailbox.push(i);
    expect(onClose).not.toHaveBeenCalled();
    mailbox.push(4);
    mailbox.push(5);
    expect(onClose).toHaveBeenCalledOnce();
    await expect(mailbox.next()).rejects.toMatchObject({ code: 'SLOW_CONSUMER', details: { limit: 3 } });
    expect(await mailbox.next()).toEqual({ value: undefined, done: true });
  });

  test('counts only what waits now', async () => {
    const { mailbox, onClose } = open(3);
    for (let i = 0; i < 100; i++) {
      mailbox.push(i);
      expect(await mailbox.next()).toEqual({ value: i, done: false });
    }
    for (let i = 0; i < 3; i++) mailbox.push(i);
    expect(onClose).not.toHaveBeenCalled();
  });

  test('cuts off a subscriber for whom too much text waits', async () => {
    const mailbox = new Mailbox<number>(
      1_000,
      () => {},
      () => 33 * 1024 * 1024,
    );
    for (let i = 0; i < 3; i++) mailbox.push(i);
    await expect(mailbox.next()).rejects.toMatchObject({ code: 'SLOW_CONSUMER', details: { limit: 64 * 1024 * 1024 } });
  });

  test('gives what waits at once, up to a number and a size, without waiting for more', async () => {
    const mailbox = new Mailbox<number>(
      1_000,
      () => {},
      () => 300_000,
    );
    expect(mailbox.drain(10)).toEqual([]);
    for (let i = 0; i < 10; i++) mailbox.push(i);
    expect(mailbox.drain(2)).toEqual([0, 1]);
    expect(mailbox.drain(10)).toEqual([2, 3, 4, 5]);
    expect(await mailbox.next()).toEqual({ value: 6, done: false });
    expect(mailbox.drain(10)).toEqual([7, 8, 9]);
  });

  test('ends for a subscriber who leaves, also while waiting, and takes nothing more', async () => {
    const { mailbox, onClose } = open();
    const waiting = mailbox.next();
    expect(await mailbox.return()).toEqual({ value: undefined, done: true });
    expect(await waiting).toEqual({ value: undefined, done: true });
    mailbox.push(1);
    mailbox.fail(new Error('too late'));
    expect(await mailbox.next()).toEqual({ value: undefined, done: true });
    await mailbox.return();
    expect(onClose).toHaveBeenCalledOnce();
  });

  test('fails a subscriber who waits', async () => {
    const { mailbox, onClose } = open();
    const waiting = mailbox.next();
    mailbox.fail(new Error('shutting down'));
    await expect(waiting).rejects.toThrow('shutting down');
    expect(await mailbox.next()).toEqual({ value: undefined, done: true });
    expect(onClose).toHaveBeenCalledOnce();
  });

  test('can be read in a loop, which closes it when left', async () => {
    const { mailbox, onClose } = open();
    mailbox.push(1);
    mailbox.push(2);
    for await (const message of mailbox) if (message === 2) break;
    expect(onClose).toHaveBeenCalledOnce();
  });
});

/** A listener that keeps what it hears: messages, and how it ended. */
const hearing = (onMessage: (message: number) => void = () => {}) => {
  const heard: (number | string | undefined)[] = [];
  const listener = {
    receive: (message: number) => {
      heard.push(message);
      onMessage(message);
    },
    end: (error: Error | undefined) => void heard.push(`end ${error?.message}`),
  };
  return { heard, listener };
};

describe('a mailbox that is listened to', () => {
  test('hands over what waits, then what comes, but for what comes while its listener pauses', () => {
    const { mailbox } = open();
    mailbox.push(1);
    mailbox.push(2);
    const { heard, listener } = hearing();
    mailbox.listen(listener);
    mailbox.push(3);
    expect(heard).toEqual([1, 2, 3]);
    mailbox.pause();
    mailbox.push(4);
    expect(heard).toEqual([1, 2, 3]);
    mailbox.listen(listener);
    mailbox.push(5);
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  test('holds back the rest of what waits from a listener who pauses in between', () => {
    const { mailbox } = open();
    for (let i = 1; i <= 3; i++) mailbox.push(i);
    const { heard, listener } = hearing((message) => message === 2 && mailbox.pause());
    mailbox.listen(listener);
    expect(heard).toEqual([1, 2]);
    mailbox.listen(listener);
    expect(heard).toEqual([1, 2, 3]);
  });

  test('cuts off a listener who pauses for longer than its limit allows', () => {
    const { mailbox, onClose } = open(3);
    const { heard, listener } = hearing();
    mailbox.listen(listener);
    mailbox.pause();
    for (let i = 1; i <= 4; i++) mailbox.push(i);
    expect(onClose).toHaveBeenCalledOnce();
    expect(heard).toEqual([]);
    mailbox.listen(listener);
    expect(heard).toEqual(['end More than 3 messages wait for this subscriber.']);
  });

  test('tells its listener of a failure, once', () => {
    const { mailbox, onClose } = open();
    const { heard, listener } = hearing();
    mailbox.listen(listener);
    mailbox.fail(new Error('shutting down'));
    mailbox.fail(new Error('again'));
    expect(heard).toEqual(['end shutting down']);
    expect(onClose).toHaveBeenCalledOnce();
  });

  test('says nothing more to a listener who has left, also in the middle of what waits', async () => {
    const { mailbox, onClose } = open();
    mailbox.push(1);
    mailbox.push(2);
    const { heard, listener } = hearing(() => void mailbox.return());
    mailbox.listen(listener);
    mailbox.push(3);
    expect(heard).toEqual([1]);
    expect(onClose).toHaveBeenCalledOnce();
  });
});
