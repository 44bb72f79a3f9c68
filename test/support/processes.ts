import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A real TaskFlow process: `taskflow worker`, say. */
export interface TestProcess extends AsyncDisposable {
  readonly pid: number;
  readonly exit: Promise<ProcessExit>;
  /** What it has written so far, stdout and stderr together. */
  output(): string;
  /**
   * Waits until its output matches, from its beginning on; at once, when it does already.
   *
   * @param timeoutMs default: a minute
   * @throws Error with the output when the time is up or the process ends before
   */
  waitForOutput(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Sends a signal. Default: SIGTERM. @returns `exit`, for those that end it */
  kill(signal?: NodeJS.Signals): Promise<ProcessExit>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Kills what tests of this file have left running; called after each file. */
export const endProcesses = async (): Promise<void> => {
  await Promise.all([...running].map(end));
};

const end = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (!running.has(child)) return resolve();
    child.once('close', () => resolve());
    child.kill('SIGKILL');
  });

/**
 * Starts `taskflow <args>`. It reads no .env file. It is killed at the end of the test, or of the file when it was started
 * outside of a test.
 *
 * @param env its settings, as of `setup()`
 */
export const spawnProcess = (args: readonly string[], env: Readonly<Record<string, string>>): TestProcess =>
  spawnNode([CLI, ...args], env);

/** As `spawnProcess`, for any file that Node can run. */
export const spawnNode = (args: readonly string[], env: Readonly<Record<string, string>>, cwd?: URL): TestProcess =>
  spawnCommand(process.execPath, args, env, cwd);

/**
 * As `spawnProcess`, for any program.
 *
 * @param cwd its working folder. Default: one for temporary files
 */
export const spawnCommand = (
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string | URL = tmpdir(),
): TestProcess => {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      child.emit('output');
    });
  }
  running.add(child);
  // 'close' comes after the last output, 'exit' may come before.
  const exit = new Promise<ProcessExit>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  endWithTest(child);
  return {
    pid: child.pid ?? 0,
    exit,
    output: () => output,
    waitForOutput: (pattern, timeoutMs = 60_000) => waitForMatch(child, () => output, pattern, timeoutMs),
    kill: (signal = 'SIGTERM') => {
      child.kill(signal);
      return exit;
    },
    [Symbol.asyncDispose]: () => end(child),
  };
};

const endWithTest = (child: ChildProcess): void => {
  try {
    onTestFinished(() => end(child));
  } catch {
    // Started outside of a test, for all tests of the file: `endProcesses` ends it.
  }
};

const waitForMatch = (
  child: ChildProcess,
  output: () => string,
  pattern: RegExp,
  timeoutMs: number,
): Promise<RegExpExecArray> =>
  new Promise((resolve, reject) => {
    const settle = (failure?: string): void => {
      const match = pattern.exec(output());
      if (!match && !failure) return;
      clearTimeout(timer);
      child.off('output', onOutput).off('close', onClose);
      if (match) resolve(match);
      else reject(new Error(`${failure}; no ${pattern} in its output:\n${output()}`));
    };
    const onOutput = (): void => settle();
    const onClose = (): void => settle('the process has ended');
    const timer = setTimeout(() => settle(`waited ${timeoutMs} ms in vain`), timeoutMs);
    child.on('output', onOutput).on('close', onClose);
    settle(running.has(child) ? undefined : 'the process has ended');
  });
