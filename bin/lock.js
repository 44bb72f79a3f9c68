// Lets processes do one after the other what they must not do at once. Plain JavaScript for any Node from 20 on, like start.js,
// which calls it.
import { closeSync, fstatSync, futimesSync, linkSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often its holder shows that it lives. */
const BEAT_MS = 1_000;
/** Whoever held a lock that shows no life for so long was killed. */
const STALE_MS = 15_000;
const POLL_MS = 100;

/**
 * Does a piece of work while no other process does any under the same lock. One that was killed blocks the others for 15 s.
 *
 * @param file is there while it is done; its folder must exist
 * @param onWait called once, when another process has to be waited for
 * @returns what the work gives
 */
export const withLock = async (file, work, onWait = () => undefined) => {
  const lock = await take(file, onWait);
  const beat = setInterval(() => futimesSync(lock, new Date(), new Date()), BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    release(file, lock);
  }
};

/** @returns its descriptor */
const take = async (file, onWait) => {
  let hasWaited = false;
  for (;;) {
    const lock = unless('EEXIST', () => openSync(file, 'wx'));
    if (lock !== undefined) return lock;
    if (isStale(file)) {
      discard(file);
      continue;
    }
    if (!hasWaited) onWait();
    hasWaited = true;
    await sleep(POLL_MS);
  }
};

/** While this process stood still, as a laptop asleep does, another may have taken the lock over. */
const release = (file, lock) => {
  const { ino } = fstatSync(lock);
  closeSync(lock);
  if (unless('ENOENT', () => statSync(file))?.ino === ino) rmSync(file, { force: true });
};

const isStale = (file) => {
  const found = unless('ENOENT', () => statSync(file));
  return found !== undefined && Date.now() - found.mtimeMs > STALE_MS;
};

/** Of those who find a lock stale, one moves it away. Who moves the next one instead, just taken, puts it back. */
const discard = (file) => {
  const aside = `${file}-${process.pid}`;
  if (unless('ENOENT', () => renameSync(file, aside) ?? true) === undefined) return;
  if (!isStale(aside)) unless('EEXIST', () => linkSync(aside, file));
  rmSync(aside);
};

/** @returns undefined where it failed with the code */
const unless = (code, call) => {
  try {
    return call();
  } catch (error) {
    if (error.code === code) return undefined;
    throw error;
  }
};
