import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageThumbnail } from '../../../workers/tasks/image-thumbnail.ts';
import { runTask } from './support.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'taskflow-images-'));
  const photo = sharp({ create: { width: 800, height: 400, channels: 3, background: { r: 200, g: 30, b: 30 } } });
  for (const format of ['jpeg', 'png', 'webp', 'gif', 'avif', 'tiff'] as const) {
    await photo
      .clone()
      .toFormat(format)
      .toFile(join(folder, `photo.${format}`));
  }
  // Lying on its side, as phones write it.
  await photo.clone().jpeg().withMetadata({ orientation: 6 }).toFile(join(folder, 'lying.jpeg'));
  const noise = randomBytes(1_024 * 1_024 * 3);
  await sharp(noise, { raw: { width: 1_024, height: 1_024, channels: 3 } })
    .png({ compressionLevel: 0 })
    .toFile(join(folder, 'noise.png'));
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

const thumbnail = (payload: object, filesDir = folder) =>
  runTask(imageThumbnail(filesDir), payload) as Promise<{ base64?: string; file?: string; bytes: number }>;

const refuses = (payload: object, code: string, filesDir = folder) =>
  expect(thumbnail(payload, filesDir)).rejects.toMatchObject({ name: 'DoNotRetryError', code });

describe('a thumbnail', () => {
  test.each(['jpeg', 'png', 'webp', 'gif', 'avif', 'tiff'])('is made of %s', async (format) => {
    const result = await thumbnail({ file: `photo.${format}`, width: 100, height: 100 });
    expect(result).toMatchObject({
      width: 100,
      height: 50,
      format: 'webp',
      original: { width: 800, height: 400, format },
    });
    const { data, info } = await sharp(Buffer.from(result.base64 ?? '', 'base64'))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 100, height: 50 });
    expect(Math.abs((data[0] ?? 0) - 200)).toBeLessThan(12);
    expect(result.bytes).toBe(Buffer.from(result.base64 ?? '', 'base64').length);
  });

  test('has the form that is asked for', async () => {
    expect(await thumbnail({ file: 'photo.png', width: 60, height: 60, fit: 'cover', format: 'jpeg' })).toMatchObject({
      width: 60,
      height: 60,
      format: 'jpeg',
    });
    // Nothing is blown up.
    expect(await thumbnail({ file: 'photo.png', width: 2_000, height: 2_000 })).toMatchObject({
      width: 800,
      height: 400,
    });
  });

  test('stands upright, whatever way the camera was held', async () => {
    expect(await thumbnail({ file: 'lying.jpeg', width: 100, height: 100 })).toMatchObject({
      width: 50,
      height: 100,
      original: { width: 400, height: 800 },
    });
  });

  test('goes into a file that bears the name of the task, and nothing else', async () => {
    const result = await thumbnail({ file: 'photo.jpeg', into: 'file', format: 'png' });
    expect(result).toMatchObject({ file: 'thumbnails/task-1.png', format: 'png' });
    expect(result.base64).toBeUndefined();
    expect(await sharp(join(folder, result.file ?? '')).metadata()).toMatchObject({ width: 256, format: 'png' });
    expect((await stat(join(folder, 'thumbnails/task-1.png'))).size).toBe(result.bytes);
    await thumbnail({ file: 'photo.jpeg', into: 'file', format: 'png', width: 10 });
    expect(await readdir(join(folder, 'thumbnails'))).toEqual(['task-1.png']);
  });

  test('that is too large for a result is refused', async () => {
    await refuses({ file: 'noise.png', width: 2_048, height: 2_048, format: 'png' }, 'THUMBNAIL_TOO_LARGE');
  });
});

describe('what is no picture', () => {
  test('is refused before a decoder sees it', async () => {
    await writeFile(join(folder, 'drawing.svg'), '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    await writeFile(join(folder, 'empty.png'), '');
    await refuses({ file: 'drawing.svg' }, 'NOT_AN_IMAGE');
    await refuses({ file: 'empty.png' }, 'NOT_AN_IMAGE');
    await refuses({ file: 'nothing.png' }, 'FILE_NOT_FOUND');
    await refuses({ file: '../x.png' }, 'FILE_OUTSIDE');
    await refuses({ file: 'x.png' }, 'FILES_DIR_NOT_SET', '');
  });

  test('is refused when it is broken, without naming the folders of the worker', async () => {
    const whole = await readFile(join(folder, 'photo.png'));
    await writeFile(join(folder, 'broken.png'), whole.subarray(0, 200));
    const failure = await thumbnail({ file: 'broken.png' }).catch((error: Error) => error);
    expect(failure).toMatchObject({ code: 'NOT_AN_IMAGE' });
    expect(String((failure as Error).stack)).not.toContain(folder);
  });

  test('is refused when it unfolds to more pixels than are decoded', async () => {
    const side = 7_200;
    const bomb = sharp({ create: { width: side, height: side, channels: 3, background: 'white' } });
    await bomb.png({ compressionLevel: 9 }).toFile(join(folder, 'bomb.png'));
    await refuses({ file: 'bomb.png' }, 'IMAGE_TOO_LARGE');
  });
});
