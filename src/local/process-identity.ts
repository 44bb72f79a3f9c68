import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process, told apart from a later one that happens to get the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** When it started, in the system's own form. */
  startedAt: string;
}

/**
 * Who has this pid now; undefined when nobody does. A process that has ended but was not waited for by its parent counts
 * as gone: where PID 1 is no real init, as in many containers, such ones stay in the list for ever.
 */
export const identify = (pid: number): ProcessIdentity | undefined => {
  const startedAt = process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
};

const startFromProc = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; what follows it is: state (field 3) … start time (field 22).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
};

const startFromPs = (pid: number): string | undefined => {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.slice(line.indexOf(' ')).trim();
  } catch {
    return undefined;
  }
};

export const isRunning = (who: ProcessIdentity): boolean => identify(who.pid)?.startedAt === who.startedAt;

const POLL_MS = 10;

/** Waits until the process is gone. @returns whether it is, at the latest after `timeoutMs` */
const waitUntilGone = async (who: ProcessIdentity, timeoutMs: number): Promise<boolean> => {
  const deadline = performance.now() + timeoutMs;
  while (isRunning(who)) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
};

/** Sends a signal, unless the process is gone. */
export const signal = (who: ProcessIdentity, name: NodeJS.Signals): void => {
  if (!isRunning(who)) return;
  try {
    process.kill(who.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

const GRACE_MS = 10_000;

/**
 * Ends a process, be it a child of this one or not: first with `gentle`, and with SIGKILL when it is still there after
 * 10 s. One that is paused is woken up, so that it can shut down by itself.
 */
export const endProcess = async (who: ProcessIdentity, gentle: NodeJS.Signals): Promise<void> => {
  signal(who, gentle);
  signal(who, 'SIGCONT');
  if (await waitUntilGone(who, GRACE_MS)) return;
  signal(who, 'SIGKILL');
  await waitUntilGone(who, GRACE_MS);
};
