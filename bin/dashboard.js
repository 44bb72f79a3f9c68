// Builds the dashboard in web/ when its build is missing or older than what it is made from. Plain JavaScript for any Node
// from 20 on, like start.js, which calls it.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const WEB = join(ROOT, 'web');
const BUILT = join(WEB, 'dist');
const STAMP = join(BUILT, '.input-hash');
/** What is made or installed there. */
const NOT_INPUT = /^(node_modules|dist.*|README\.md)$|\.generated\.ts$/;

/** A published package brings the build, but not what it is made from. */
export const hasDashboardSources = () => existsSync(join(WEB, 'package.json'));

/** @returns the files below a folder, as paths from web/ on */
const filesBelow = (folder) =>
  readdirSync(join(WEB, folder), { withFileTypes: true })
    .filter(({ name }) => !NOT_INPUT.test(name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    });

const inputHash = () => {
  const hash = createHash('sha256').update(readFileSync(join(ROOT, 'schema.graphql')));
  for (const path of filesBelow('').sort()) hash.update(`\0${path}\0`).update(readFileSync(join(WEB, path)));
  return hash.digest('hex');
};

/** The types of its operations are made with it; they are checked, too. */
export const isDashboardBuilt = () =>
  existsSync(STAMP) &&
  existsSync(join(WEB, 'src', 'schema.generated.ts')) &&
  readFileSync(STAMP, 'utf8') === inputHash();

/**
 * Puts a folder in the place of another, also while other processes do the same: the last one stays. Where both are on one
 * file system.
 *
 * @param fresh its name is this process's alone; it is gone afterwards
 */
export const replaceFolder = (fresh, place) => {
  const old = `${fresh}.old`;
  for (;;) {
    moveUnless(['ENOENT'], place, old);
    rmSync(old, { recursive: true, force: true });
    // Between the two moves, another process may have put its own there.
    if (moveUnless(['ENOTEMPTY', 'EEXIST'], fresh, place)) return;
  }
};

/** @returns false where it failed with one of the codes */
const moveUnless = (codes, from, to) => {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codes.includes(error.code)) return false;
    throw error;
  }
};

/**
 * Generates the types of its operations, and builds it. The new build takes the place of the old one only when it is
 * complete: an api may be serving that one.
 *
 * @param run runs a program of web's packages in web/; gives its exit code
 * @returns the exit code of what failed, or 0
 */
export const buildDashboard = async (run) => {
  console.log('Building the dashboard in web/');
  const hash = inputHash();
  const fresh = `${BUILT}-${process.pid}`;
  try {
    const code =
      (await run('graphql-codegen', '--config', 'codegen.json', '--silent')) ||
      (await run('vite', 'build', '--logLevel', 'warn', '--outDir', fresh));
    if (code !== 0) return code;
    writeFileSync(join(fresh, '.input-hash'), hash);
    replaceFolder(fresh, BUILT);
    return 0;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
};
