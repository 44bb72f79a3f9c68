import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { DoNotRetryError } from '../runtime/define-task.ts';

/**
 * Finds a file that a payload names, and refuses whatever is not inside the folder: other paths, and symbolic links that
 * lead out of it.
 *
 * @param filesDir the folder that tasks may read from; empty: none
 * @param file a path relative to it
 * @returns its path, without symbolic links
 * @throws DoNotRetryError FILES_DIR_NOT_SET, FILE_OUTSIDE, FILE_NOT_FOUND or NOT_A_FILE
 */
export const findFile = async (filesDir: string, file: string): Promise<string> => {
  if (filesDir === '') {
    throw new DoNotRetryError('this worker may read no files: FILES_DIR is not set', { code: 'FILES_DIR_NOT_SET' });
  }
  // Looked at before the disk is: from the answer, nobody shall learn which files exist elsewhere.
  if (file.includes('\0') || !isInside(resolve(filesDir), resolve(filesDir, file))) throw outside(file);
  const [folder, path] = await Promise.all([follow(filesDir, 'FILES_DIR'), follow(resolve(filesDir, file), file)]);
  if (!isInside(folder, path)) throw outside(file);
  if (!(await stat(path)).isFile()) throw new DoNotRetryError(`"${file}" is not a file`, { code: 'NOT_A_FILE' });
  return path;
};

const isInside = (folder: string, path: string): boolean => {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
};

const outside = (file: string): Error =>
  new DoNotRetryError(`"${file}" is outside the folder that tasks may read from`, { code: 'FILE_OUTSIDE' });

/** @param name what errors call it: absolute paths of the worker's machine are not the submitter's business */
const follow = async (path: string, name: string): Promise<string> => {
  try {
    return await realpath(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') throw error;
    throw new DoNotRetryError(`there is no file "${name}"`, { code: 'FILE_NOT_FOUND' });
  }
};
