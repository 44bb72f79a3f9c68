import { describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const CHANGES = 'subscription ($after: String) { taskChanges(after: $after) { cursor event { taskId seq } } }';
const EVENTS = 'subscription ($id: ID!, $afterSeq: Int) { taskEvents(id: $id, afterSeq: $afterSeq) { seq status } }';

interface Changes {
  taskChanges: { cursor: string; event: { taskId: string; seq: number } };
}

/** Reads changes after a cursor, and cuts the socket off (without a close frame) after `limit` of them. */
const readSome = async (
  system: System,
  after: string | null,
  limit: number,
  into: string[],
): Promise<string | null> => {
  const socket = system.socket();
  let cursor = after;
  let read = 0;
  try {
    for await (const { data } of socket.iterate<Changes>({ query: CHANGES, variables: { after } })) {
      if (!data) continue;
      cursor = data.taskChanges.cursor;
      into.push(`${data.taskChanges.event.taskId} ${data.taskChanges.event.seq}`);
      if (++read === limit) break;
    }
  } finally {
    socket.terminate();
    await socket.dispose();
  }
  return cursor;
};

// These know each transition beforehand, and a primary that fails adds some. redis-failover.test.ts has subscribers for that.
describe.skipIf(primariesFail())('a subscriber whose socket drops', () => {
  test('resumes the changes of all its tasks, and has seen each once and in order', { timeout: 120_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    await system.start('worker');
    const seen: string[] = [];
    const submitting = (async () => {
      for (let i = 0; i < 10; i++) await system.submit(50, 'sleep', { ms: 20 });
    })();
    let cursor: string | null = '0';
    for (const limit of [1, 7, 100, 3, 500, 250, 639]) cursor = await readSome(system, cursor, limit, seen);
    await submitting;
    expect(seen.length).toBe(1_500);
    expect(new Set(seen).size).toBe(1_500);
    const seqs = Map.groupBy(seen, (line) => line.split(' ')[0]);
    for (const lines of seqs.values()) expect(lines.map((line) => line.split(' ')[1])).toEqual(['1', '2', '3']);
    expect(await system.settle()).toEqual([]);
  });

  test('resumes the events of one task after the last one seen', { timeout: 60_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const [id] = await system.submit(1, 'sleep', { ms: 300 });
    const first = system.socket();
    const seen: number[] = [];
    for await (const { data } of first.iterate<{ taskEvents: { seq: number } }>({
      query: EVENTS,
      variables: { id, afterSeq: 0 },
    })) {
      if (data) seen.push(data.taskEvents.seq);
      break;
    }
    first.terminate();
    await system.start('worker');
    await waitFor(async () => (await system.countByStatus()).PROCESSING === 1, { what: 'the task runs' });
    const second = system.socket();
    for await (const { data } of second.iterate<{ taskEvents: { seq: number } }>({
      query: EVENTS,
      variables: { id, afterSeq: seen.at(-1) },
    })) {
      if (data) seen.push(data.taskEvents.seq);
    }
    expect(seen).toEqual([1, 2, 3]);
    await second.dispose();
  });
});
