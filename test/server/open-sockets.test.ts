import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OpenSockets } from '../../src/server/open-sockets.ts';
import type { SocketSession } from '../../src/server/socket-session.ts';

const ROUND_MS = 12_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const session = () => {
  const socket = { close: vi.fn() };
  return { socket, check: vi.fn() } as unknown as SocketSession & {
    socket: { close: ReturnType<typeof vi.fn> };
    check: ReturnType<typeof vi.fn>;
  };
};

test('every socket is asked once in twelve seconds, and no more than its share at once', () => {
  const sockets = new OpenSockets();
  const sessions = Array.from({ length: 240 }, session);
  for (const each of sessions) sockets.add(each);
  const asked = () => sessions.reduce((sum, { check }) => sum + check.mock.calls.length, 0);
  for (let part = 1; part <= 24; part++) {
    vi.advanceTimersByTime(ROUND_MS / 24);
    expect(asked()).toBe(part * 10);
  }
  for (const { check } of sessions) expect(check).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(ROUND_MS);
  expect(asked()).toBe(480);
  sockets.close(1012, 'over');
});

test('one that is gone is neither counted nor asked nor closed', () => {
  const sockets = new OpenSockets();
  const [gone, stays] = [session(), session()];
  const group = sockets.add(gone);
  sockets.add(stays);
  expect(sockets.size).toBe(2);
  sockets.delete(gone, group);
  expect(sockets.size).toBe(1);
  vi.advanceTimersByTime(ROUND_MS);
  sockets.close(1012, 'over');
  expect(gone.check).not.toHaveBeenCalled();
  expect(gone.socket.close).not.toHaveBeenCalled();
  expect(stays.check).toHaveBeenCalledOnce();
  expect(stays.socket.close).toHaveBeenCalledExactlyOnceWith(1012, 'over');
});

test('nobody is asked any more once they were closed', () => {
  const sockets = new OpenSockets();
  const one = session();
  sockets.add(one);
  sockets.close(1012, 'over');
  vi.advanceTimersByTime(2 * ROUND_MS);
  expect(one.check).not.toHaveBeenCalled();
});
