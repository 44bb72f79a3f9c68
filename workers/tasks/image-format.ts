import { open } from 'node:fs/promises';

/** How files of a kind begin; undefined stands for any byte. */
const SIGNATURES: readonly [format: string, bytes: readonly (number | undefined)[]][] = [
  ['jpeg', [0xff, 0xd8, 0xff]],
  ['png', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['gif', [0x47, 0x49, 0x46, 0x38]],
  ['tiff', [0x49, 0x49, 0x2a, 0x00]],
  ['tiff', [0x4d, 0x4d, 0x00, 0x2a]],
  ['webp', [0x52, 0x49, 0x46, 0x46, ...Array<undefined>(4), 0x57, 0x45, 0x42, 0x50]],
  ['avif', [...Array<undefined>(4), 0x66, 0x74, 0x79, 0x70, 0x61, 0x76, 0x69]],
];

const LONGEST = 16;

/**
 * Looks at how a file begins, before a decoder sees it: SVG, PDF and their like, which may name other files, stay out.
 *
 * @returns undefined for what is none of the pictures that are known
 */
export const imageFormatOf = async (path: string): Promise<string | undefined> => {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST), 0, LONGEST, 0);
  const begins = (bytes: readonly (number | undefined)[]): boolean =>
    bytesRead >= bytes.length && bytes.every((byte, i) => byte === undefined || buffer[i] === byte);
  return SIGNATURES.find(([, bytes]) => begins(bytes))?.[0];
};
