import { expect } from 'vitest';
import { waitFor } from '../../support/setup.ts';
import type { Harness, LogLine } from '../harness.ts';

/** Each value that a subscriber saw who watched from before the task began, without repetitions. */
const progressOf = async (h: Harness, type: string, payload: object) => {
  const values: number[] = [];
  let id = '';
  for await (const { id: taskId, progress } of h.watchNew(type, payload)) {
    id = taskId;
    if (progress !== null && progress !== values.at(-1)) values.push(progress);
  }
  return { id, values };
};

/** It is written once a second. */
const keptProgress = (h: Harness, id: string, value: number) =>
  waitFor(async () => (await h.system.app.database.task.findUniqueOrThrow({ where: { id } })).progress === value, {
    what: `progress ${value} is kept`,
  });

export const tellsItsProgress = async (h: Harness): Promise<void> => {
  const reported = [0, 12.5, 50, 40, 99.75];
  const { id, values } = await progressOf(h, 'conformance.progress', { values: reported, detail: { step: 'α' } });
  expect((await h.ended(id)).result).toEqual({ reported: 5 });
  // On a machine that is busy, values may still be coalesced; the last one never is.
  expect(values).toEqual(reported.filter((value) => values.includes(value)));
  expect(values.length).toBeGreaterThan(2);
  expect(values.at(-1)).toBe(99.75);
  await keptProgress(h, id, 99.75);
  const kept = await h.system.app.database.task.findUniqueOrThrow({ where: { id } });
  expect(kept.progressDetail).toEqual({ step: 'α' });
};

export const keepsProgressWithinBounds = async (h: Harness): Promise<void> => {
  const { values } = await progressOf(h, 'conformance.progress', { values: [-5, 150] });
  expect(values.filter((value) => value !== 0 && value !== 100)).toEqual([]);
  expect(values.at(-1)).toBe(100);
};

export const keepsTheSizeOfALargeDetail = async (h: Harness): Promise<void> => {
  const detail = 'ü'.repeat(2_500);
  const id = await h.submit('conformance.progress', { values: [1], detail });
  await h.ended(id);
  await keptProgress(h, id, 1);
  const kept = await h.system.app.database.task.findUniqueOrThrow({ where: { id } });
  expect(kept.progressDetail).toMatchObject({ error: 'DETAIL_TOO_LARGE', limit: 4_096 });
};

export const sparesSubscribersMostOfManyValues = async (h: Harness): Promise<void> => {
  const { id, values } = await progressOf(h, 'sleep', { ms: 500, steps: 200 });
  const { startedAt, finishedAt } = await h.ended(id);
  const seconds = (Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '')) / 1_000;
  expect(values).toEqual(values.toSorted((a, b) => a - b));
  expect(values.length).toBeGreaterThanOrEqual(2);
  expect(values.length).toBeLessThanOrEqual(seconds * 10 + 2);
  await keptProgress(h, id, 100);
};

export const keepsLogLines = async (h: Harness): Promise<void> => {
  const payload = { lines: 3, level: 'warn', message: 'größer "als"\nzwei', fields: { rows: 12, deep: ['ü', null] } };
  const id = await h.submit('conformance.log', payload);
  const expected = [1, 2, 3].map((n) => ({
    attempt: 1,
    level: 'warn',
    message: `${payload.message} ${n}`,
    fields: payload.fields,
  }));
  const live: LogLine[] = [];
  for await (const line of h.watchLogs(id)) live.push(line);
  expect(live).toEqual(expected);
  expect(await h.keptLogs(id)).toEqual(expected);
  expect((await h.ended(id)).result).toEqual({ lines: 3 });
};

export const keepsLogLinesOfEveryLevel = async (h: Harness): Promise<void> => {
  for (const level of ['debug', 'info', 'error']) {
    const id = await h.submit('conformance.log', { lines: 1, level, message: 'only' });
    await h.ended(id);
    expect(await h.keptLogs(id)).toEqual([{ attempt: 1, level, message: 'only', fields: null }]);
  }
};

export const keepsAThousandLines = async (h: Harness): Promise<void> => {
  const id = await h.submit('conformance.log', { lines: 1_200, message: 'line' });
  expect(await h.ended(id)).toMatchObject({ status: 'COMPLETED', result: { lines: 1_200 } });
  const lines = await h.keptLogs(id);
  expect(lines.map(({ message }) => message)).toEqual([
    ...Array.from({ length: 1_000 }, (_, i) => `line ${i + 1}`),
    'More than 1000 lines: the rest is not kept.',
  ]);
  expect(lines.at(-1)?.level).toBe('warn');
};

export const cutsLongLines = async (h: Harness): Promise<void> => {
  const id = await h.submit('conformance.log', { lines: 1, message: 'ü'.repeat(10_000), fields: { is: 'left out' } });
  await h.ended(id);
  const [line] = await h.keptLogs(id);
  expect(line).toMatchObject({ level: 'info', fields: null });
  expect(line?.message).toMatch(/^ü{1900,8000}$/);
};
