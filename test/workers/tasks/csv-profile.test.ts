import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CsvProfile, csvProfile } from '../../../workers/tasks/csv-profile.ts';
import { runTask } from './support.ts';

const REAL_FILES = fileURLToPath(new URL('../../../node_modules/vega-datasets/data', import.meta.url));

let home = '';
let folder = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'taskflow-files-'));
  folder = join(home, 'files');
  await mkdir(join(folder, 'inner'), { recursive: true });
  await writeFile(join(home, 'secret.csv'), 'a\n1\n');
  await writeFile(join(folder, 'inner', 'a.csv'), 'a\n1\n');
  await symlink(join(home, 'secret.csv'), join(folder, 'link.csv'));
  await symlink(home, join(folder, 'up'));
  await symlink('inner/a.csv', join(folder, 'inner-link.csv'));
});
afterAll(() => rm(home, { recursive: true }));

const profile = (file: string, filesDir = folder, signal = new AbortController().signal) =>
  runTask(csvProfile(filesDir), { file }, { signal }) as Promise<CsvProfile>;

const profileText = async (content: string | Buffer): Promise<CsvProfile> => {
  await writeFile(join(folder, 'test.csv'), content);
  return profile('test.csv');
};

describe('profiling a real CSV file', () => {
  test('of weather finds the known numbers', async () => {
    // Checked with awk over the same file: sums, squares and counts of its columns.
    const { columns, ...rest } = await profile('seattle-weather.csv', REAL_FILES);
    expect(rest).toEqual({ file: 'seattle-weather.csv', bytes: 48_219, rows: 1_461, raggedRows: 0 });
    const [date, precipitation, , , , weather] = columns;
    expect(date).toMatchObject({ name: 'date', type: 'date', missing: 0, distinct: 1_461 });
    expect(precipitation).toMatchObject({ type: 'number', distinct: 111, min: 0, max: 55.9 });
    expect(precipitation?.mean).toBeCloseTo(3.02943, 5);
    expect(precipitation?.stddev).toBeCloseTo(6.68019, 5);
    expect(weather).toMatchObject({ type: 'string', distinct: 5, shortest: 3, longest: 7 });
    expect(weather?.top[0]).toEqual({ value: 'rain', count: 641 });
  });

  test('of nine people agrees with a pocket calculator', async () => {
    const { columns } = await profile('lookup_people.csv', REAL_FILES);
    expect(columns.map(({ type }) => type)).toEqual(['string', 'number', 'number']);
    // 25 32 39 42 23 21 51 63 54: sum 350, squares 15390.
    expect(columns[1]).toMatchObject({ min: 21, max: 63, distinct: 9 });
    expect(columns[1]?.mean).toBeCloseTo(350 / 9, 12);
    expect(columns[1]?.stddev).toBeCloseTo(Math.sqrt((15_390 - 350 ** 2 / 9) / 8), 12);
  });

  test('of zip codes keeps them as text, and says where it stopped counting', async () => {
    const { rows, columns } = await profile('zipcodes.csv', REAL_FILES);
    expect(rows).toBe(42_049);
    expect(columns[0]).toMatchObject({
      name: 'zip_code',
      type: 'string',
      distinct: 10_000,
      isDistinctCapped: true,
      shortest: 5,
      longest: 5,
    });
    expect(columns[4]).toMatchObject({ name: 'state', distinct: 59, isDistinctCapped: false });
  });
});

describe('profiling', () => {
  test('copes with a byte order mark, quoted newlines and commas, and Windows line ends', async () => {
    const { rows, columns } = await profileText('\ufeffname,note\r\nAda,"one\r\ntwo, ""three"""\r\nBob,\r\n');
    expect(rows).toBe(2);
    expect(columns[0]).toMatchObject({ name: 'name', distinct: 2, missing: 0 });
    expect(columns[1]).toMatchObject({ missing: 1, longest: 'one\r\ntwo, "three"'.length });
  });

  test('reads UTF-16 where its mark says so', async () => {
    const { columns } = await profileText(Buffer.from('\ufeffgröße\n1\n2\n', 'utf16le'));
    expect(columns[0]).toMatchObject({ name: 'größe', type: 'number', mean: 1.5 });
  });

  test('counts short and long lines', async () => {
    const { rows, raggedRows, columns } = await profileText('a,b\n1,2\n3\n4,5,6\n\n');
    expect([rows, raggedRows]).toEqual([3, 2]);
    expect(columns.map(({ missing }) => missing)).toEqual([0, 1]);
  });

  test('tells what the values of a column are', async () => {
    const header = 'number,boolean,date,code,mixed,empty,one';
    const { columns } = await profileText(`${header}\n-1.5e3,true,2024-02-29,007,1,,4\n.5,FALSE,1/8/90 0:00,10,x, ,\n`);
    expect(columns.map(({ type }) => type)).toEqual([
      'number',
      'boolean',
      'date',
      'string',
      'string',
      'empty',
      'number',
    ]);
    expect(columns[0]).toMatchObject({ min: -1500, max: 0.5, mean: -749.75 });
    expect(columns[6]).toMatchObject({ mean: 4, stddev: null });
    expect(columns[4]).not.toHaveProperty('min');
    const dates = [
      '2024-01-31T10:00:00Z',
      '2024/1/31',
      'Jan 1 2000',
      '1 January 2000',
      '31.12.1999',
      '2010-01-01 00:00',
    ];
    expect((await profileText(`d\n${dates.join('\n')}\n`)).columns[0]?.type).toBe('date');
    for (const wrong of ['2024-13-01', '2024-01-32', '2024-01-01T25:61', 'Foo 1 2000']) {
      expect((await profileText(`d\n${wrong}\n`)).columns[0]?.type).toBe('string');
    }
  });

  test('keeps its precision where values are large and close together', async () => {
    const { columns } = await profileText('x\n1000000000000.1\n1000000000000.2\n1000000000000.3\n');
    expect(columns[0]?.stddev).toBeCloseTo(0.1, 3);
  });

  test('of an empty file finds nothing, and of a header only its names', async () => {
    expect(await profileText('')).toEqual({ file: 'test.csv', bytes: 0, rows: 0, raggedRows: 0, columns: [] });
    expect((await profileText('a,,b\n')).columns.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      'a: empty',
      'column 2: empty',
      'b: empty',
    ]);
  });

  test('counts long values without keeping them', async () => {
    const long = 'x'.repeat(50_000);
    const { columns } = await profileText(`v\n${long}1\n${long}2\n${long}1\n`);
    expect(columns[0]).toMatchObject({ distinct: 2, longest: 50_001 });
    expect(columns[0]?.top).toEqual([
      { value: `${'x'.repeat(99)}…`, count: 2 },
      { value: `${'x'.repeat(99)}…`, count: 1 },
    ]);
  });

  test('refuses what is not CSV, and does not try again', async () => {
    const refusal = (code: string) => ({ name: 'DoNotRetryError', code });
    await expect(profileText(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2]))).rejects.toMatchObject(refusal('NOT_CSV'));
    await expect(profileText('a,b\n1,"never closed\n2,3\n')).rejects.toMatchObject(refusal('MALFORMED_CSV'));
    await expect(profileText(`a\n"${'x'.repeat(1_100_000)}\n`)).rejects.toMatchObject(refusal('MALFORMED_CSV'));
    await expect(profileText(`${'a,'.repeat(1_000)}a\n`)).rejects.toMatchObject(refusal('TOO_MANY_COLUMNS'));
  });

  test('stops when it is told to', async () => {
    const controller = new AbortController();
    const profiling = profile('birdstrikes.csv', REAL_FILES, controller.signal);
    controller.abort(new Error('enough'));
    await expect(profiling).rejects.toThrow('enough');
  });
});

describe('the folder of files', () => {
  test('can be read from, links inside it included', async () => {
    for (const file of ['inner/a.csv', './inner/../inner/a.csv', 'inner-link.csv', join(folder, 'inner/a.csv')]) {
      expect(await profile(file)).toMatchObject({ file, rows: 1 });
    }
  });

  test('cannot be left', async () => {
    const paths = [
      '../secret.csv',
      join(home, 'secret.csv'),
      '/etc/passwd',
      'link.csv',
      'up/secret.csv',
      'a\0b',
      '..',
      '../missing.csv',
    ];
    for (const file of paths) {
      await expect(profile(file), file).rejects.toMatchObject({ name: 'DoNotRetryError', code: 'FILE_OUTSIDE' });
    }
  });

  test('says what is missing, without naming paths of the machine', async () => {
    await expect(profile('missing.csv')).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: 'there is no file "missing.csv"',
    });
    await expect(profile('inner')).rejects.toMatchObject({ code: 'NOT_A_FILE' });
    await expect(profile('a.csv', '')).rejects.toMatchObject({ name: 'DoNotRetryError', code: 'FILES_DIR_NOT_SET' });
    await expect(profile('a.csv', join(home, 'gone'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.not.stringContaining(home),
    });
  });
});
