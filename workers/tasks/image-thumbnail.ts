import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sharp } from 'sharp';
import { z } from 'zod';
import { DoNotRetryError, defineTask, type TaskDefinition } from '../runtime/define-task.ts';
import { findFile } from './files-dir.ts';
import { imageFormatOf } from './image-format.ts';

/** 50 megapixels take some 200 MB while they are decoded. */
const MAX_PIXELS = 50_000_000;
/** Base64 makes it a third longer, and a result may have 1 MiB. */
const MAX_INLINE_BYTES = 512 * 1024;
const MAX_SIDE = 2_048;
/** The only folder that it writes to, inside of FILES_DIR. */
const OUTPUT_FOLDER = 'thumbnails';
/** A picture that is small and takes long is an attack. */
const TIMEOUT_SECONDS = 30;

const Format = z.enum(['webp', 'jpeg', 'png', 'avif']);

const Payload = z.object({
  file: z.string().min(1).max(4_096).describe('A path inside the folder FILES_DIR: JPEG, PNG, WebP, GIF, AVIF or TIFF'),
  width: z.number().int().min(1).max(MAX_SIDE).default(256).describe('At most, in pixels'),
  height: z.number().int().min(1).max(MAX_SIDE).default(256).describe('At most, in pixels'),
  fit: z.enum(['inside', 'cover']).default('inside').describe('inside: all of it; cover: cut to exactly this size'),
  format: Format.default('webp').describe('Of the thumbnail'),
  quality: z.number().int().min(1).max(100).default(80).describe('Of the thumbnail; png has none'),
  into: z
    .enum(['result', 'file'])
    .default('result')
    .describe('result: as base64 in the result, at most 512 KiB; file: into FILES_DIR, named after the task'),
});

const Result = z.object({
  width: z.number(),
  height: z.number(),
  bytes: z.number(),
  format: Format,
  /** Of the picture it was made from, upright. */
  original: z.object({ width: z.number(), height: z.number(), format: z.string() }),
  /** With `into: "result"`. */
  base64: z.string().optional(),
  /** With `into: "file"`: its path inside of FILES_DIR. */
  file: z.string().optional(),
});

type Wish = z.output<typeof Payload>;

/** @param filesDir the folder that it reads from, and writes to in "thumbnails"; empty: none */
export const imageThumbnail = (filesDir: string): TaskDefinition =>
  defineTask({
    type: 'image.thumbnail',
    payload: Payload,
    result: Result,
    handler: async ({ payload, signal, taskId }) => {
      const path = await findFile(filesDir, payload.file);
      const original = await imageFormatOf(path);
      if (!original)
        throw new DoNotRetryError(`"${payload.file}" is no picture of a known kind`, { code: 'NOT_AN_IMAGE' });
      signal.throwIfAborted();
      const thumbnail = await shrink(path, original, payload);
      signal.throwIfAborted();
      const { data, ...about } = thumbnail;
      if (payload.into === 'result') return { ...about, base64: inline(data) };
      return { ...about, file: await keep(filesDir, `${taskId}.${payload.format}`, data) };
    },
  });

interface Thumbnail extends Omit<z.output<typeof Result>, 'base64' | 'file'> {
  data: Buffer;
}

/** libvips works in threads of its own: the event loop stays free. */
const shrink = async (path: string, originalFormat: string, wish: Wish): Promise<Thumbnail> => {
  const { width, height, fit, format, quality } = wish;
  try {
    const { default: sharp } = await import('sharp');
    const image: Sharp = sharp(path, { limitInputPixels: MAX_PIXELS, failOn: 'error', sequentialRead: true });
    const { autoOrient } = await image.metadata();
    const { data, info } = await image
      // Phones store pictures lying on their side, and say so.
      .autoOrient()
      .resize({ width, height, fit, withoutEnlargement: true })
      .toFormat(format, format === 'png' ? {} : { quality })
      .timeout({ seconds: TIMEOUT_SECONDS })
      .toBuffer({ resolveWithObject: true });
    const original = { width: autoOrient.width, height: autoOrient.height, format: originalFormat };
    return { data, width: info.width, height: info.height, bytes: data.length, format, original };
  } catch (cause) {
    throw refusalOf(cause as Error);
  }
};

const refusalOf = (cause: Error): Error => {
  if (
    (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' ||
    /Could not load the "sharp"/.test(cause.message)
  ) {
    return new DoNotRetryError('this worker has no sharp for its system', { code: 'NO_IMAGE_LIBRARY', cause });
  }
  if (/exceeds pixel limit/i.test(cause.message)) {
    return new DoNotRetryError(`the picture has more than ${MAX_PIXELS} pixels`, { code: 'IMAGE_TOO_LARGE', cause });
  }
  // libvips names the file with its whole path, which is not the submitter's business.
  return new DoNotRetryError('the picture is broken, or takes too long', { code: 'NOT_AN_IMAGE' });
};

const inline = (data: Buffer): string => {
  if (data.length > MAX_INLINE_BYTES) {
    const message = `the thumbnail takes ${data.length} bytes; in a result at most ${MAX_INLINE_BYTES} are allowed`;
    throw new DoNotRetryError(message, { code: 'THUMBNAIL_TOO_LARGE' });
  }
  return data.toString('base64');
};

/**
 * Writes it under the task's name, so that nobody's file is replaced, and another attempt replaces its own.
 *
 * @returns its path inside of the folder
 */
const keep = async (filesDir: string, name: string, data: Buffer): Promise<string> => {
  const folder = join(filesDir, OUTPUT_FOLDER);
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  // Whoever reads it meanwhile gets all of it or nothing.
  const unfinished = `${path}.part`;
  try {
    const file = await open(unfinished, 'w');
    await file.writeFile(data).finally(() => file.close());
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  return `${OUTPUT_FOLDER}/${name}`;
};
