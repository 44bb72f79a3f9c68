import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Somebody at a command line: with a home of his own, where logins are kept. */
export interface Shell {
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs `taskflow <args>` without a terminal. */
  run(args: readonly string[], options?: { input?: string; env?: Record<string, string> }): Promise<CommandResult>;
  /** Starts it without waiting for its end. It is killed at the end of the test. */
  start(args: readonly string[]): RunningCommand;
  /** Runs it in a pseudo-terminal of 24 lines and 100 columns. */
  terminal(args: readonly string[], env?: Record<string, string>): RunningCommand;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  readonly result: Promise<CommandResult>;
  /** What stdout has had so far; in a terminal, everything that was shown. */
  shown(): string;
  /** Types keys, or writes to stdin. */
  type(keys: string): void;
  /** Waits until what was shown matches, after `from` characters. */
  waitFor(pattern: RegExp, from?: number): Promise<void>;
}

/** @param env as of the API that is used */
export const openShell = (env: Readonly<Record<string, string>>): Shell => {
  const home = mkdtempSync(join(tmpdir(), 'taskflow-home-'));
  const all = { PATH: process.env.PATH ?? '', HOME: home, LANG: 'C.UTF-8', TZ: 'UTC', ...env };
  const node = (args: readonly string[], more: Record<string, string> = {}): RunningCommand =>
    start(process.execPath, [CLI, ...args], { ...all, ...more });
  return {
    home,
    env: all,
    run: async (args, { input = '', env: more } = {}) => {
      const running = node(args, more);
      running.child.stdin?.end(input);
      return running.result;
    },
    start: node,
    terminal: (args, more = {}) => {
      const command = [process.execPath, CLI, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
      const inTerminal = `stty rows 24 cols 100; ${command}; code=$?; echo; stty -a; exit $code`;
      return start('script', ['-qefc', inTerminal, '/dev/null'], { ...all, TERM: 'xterm-256color', ...more });
    },
  };
};

/** Removes what the shell's user has kept. */
export const closeShell = ({ home }: Shell): void => rmSync(home, { recursive: true, force: true });

const start = (command: string, args: readonly string[], env: Readonly<Record<string, string>>): RunningCommand => {
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'], cwd: tmpdir() });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    child.emit('shown');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // A command may end without reading what it is given.
  child.stdin.on('error', () => {});
  let hasEnded = false;
  const result = new Promise<CommandResult>((resolve) => {
    child.once('close', (code) => {
      hasEnded = true;
      child.emit('shown');
      resolve({ code, stdout, stderr });
    });
  });
  try {
    onTestFinished(() => void child.kill('SIGKILL'));
  } catch {
    // Started for all tests of a file, by a command that ends by itself.
  }
  return {
    child,
    result,
    shown: () => stdout,
    type: (keys) => void child.stdin.write(keys),
    waitFor: (pattern, from = 0) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const isThere = pattern.test(stdout.slice(from));
          if (!isThere && !hasEnded) return;
          child.off('shown', check);
          if (isThere) resolve();
          else reject(new Error(`The command has ended without ${pattern}:\n${stdout}\n${stderr}`));
        };
        child.on('shown', check);
        check();
      }),
  };
};
