import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textStats } from '../../../workers/tasks/text-stats.ts';
import { WordCounts } from '../../../workers/tasks/word-counts.ts';
import { runTask } from './support.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'taskflow-text-'));
});
afterAll(() => rm(folder, { recursive: true }));

const stats = (payload: object, filesDir = folder) =>
  runTask(textStats(filesDir), payload) as Promise<Record<string, unknown>>;

describe('the statistics of a text', () => {
  test('count its characters, lines and words, of any script', async () => {
    const text = 'The cat’s well-known café.\nThe CAT sat; кошка спит 👍\n';
    expect(await stats({ text, top: 2 })).toEqual({
      characters: [...text].length,
      lines: 2,
      words: 9,
      distinctWords: 8,
      isDistinctCapped: false,
      longestWord: 'well-known',
      averageWordLength: 4.44,
      topWords: [
        { word: 'the', count: 2 },
        { word: 'café', count: 1 },
      ],
      readingMinutes: 0,
    });
  });

  test('of nothing are nothing', async () => {
    expect(await stats({ text: '' })).toMatchObject({
      characters: 0,
      lines: 0,
      words: 0,
      averageWordLength: 0,
      topWords: [],
    });
  });

  test('of a file are the same, wherever it is cut into pieces', async () => {
    // A stream brings 64 KiB at a time: both words and characters lie across the borders.
    const text = 'zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich\n'.repeat(5_000);
    await writeFile(join(folder, 'deich.txt'), `\uFEFF${text}`);
    expect(await stats({ file: 'deich.txt' })).toMatchObject({
      characters: text.length,
      lines: 5_000,
      words: 50_000,
      distinctWords: 10,
      topWords: expect.arrayContaining([{ word: 'zwölf', count: 5_000 }]),
    });
  });

  test('of what is no text, or not to be read, are refused', async () => {
    await writeFile(join(folder, 'image.png'), Buffer.from([0x89, 0x50, 0xff, 0xfe]));
    await expect(stats({ file: 'image.png' })).rejects.toMatchObject({ name: 'DoNotRetryError', code: 'NOT_TEXT' });
    await expect(stats({ file: '../x' })).rejects.toMatchObject({ code: 'FILE_OUTSIDE' });
    await expect(stats({ file: 'x' }, '')).rejects.toMatchObject({ code: 'FILES_DIR_NOT_SET' });
    for (const payload of [{}, { text: 'a', file: 'b' }, { text: 'a', top: 101 }]) {
      await expect(stats(payload)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    }
  });
});

describe('counting words', () => {
  test('cuts what is longer than any word, in time that grows with the text only', () => {
    const words = new WordCounts();
    const startedAt = performance.now();
    for (let i = 0; i < 20; i++) words.add('x'.repeat(100_000));
    const { total, longest } = words.finish();
    expect(total).toBeLessThanOrEqual(20);
    expect(longest).toHaveLength(100);
    // About 30 ms; quadratic, it would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  test('stops to tell words apart after a hundred thousand', () => {
    const words = new WordCounts();
    for (let i = 0; i < 100_001; i++) words.add(`w${i} `);
    expect(words.finish()).toMatchObject({ total: 100_001, distinct: 100_000, isCapped: true });
  });
});
