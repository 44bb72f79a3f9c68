import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findPython, spawnPython } from '../support/python.ts';
import { spawnCommand, spawnProcess, type TestProcess } from '../support/setup.ts';

const run = promisify(execFile);
const works = (command: string, args: string[]): boolean => spawnSync(command, args).status === 0;

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** How the worker of a language is started, and in what the languages may differ. */
export interface WorkerKind {
  /** As it says in its heartbeats. */
  language: 'typescript' | 'cpp' | 'python';
  /** Thrown errors know where they were thrown. */
  hasStacks: boolean;
  /** What this machine would need to run it; undefined: nothing. */
  missing(): string | undefined;
  build(): Promise<void>;
  /** @param env its settings, as of `setup()` */
  spawn(env: Readonly<Record<string, string>>): TestProcess;
}

export const typescript: WorkerKind = {
  language: 'typescript',
  hasStacks: true,
  missing: () => undefined,
  build: async () => undefined,
  spawn: (env) => spawnProcess(['worker', '--tasks', path('./tasks')], env),
};

const CPP = path('../../workers/cpp/');
const CPP_BUILD = path('../../workers/cpp/build/');

export const cpp: WorkerKind = {
  language: 'cpp',
  hasStacks: false,
  missing: () => {
    if (!existsSync(CPP)) return 'workers/cpp';
    return works('cmake', ['--version']) ? undefined : 'cmake';
  },
  build: async () => {
    await run('cmake', ['-S', CPP, '-B', CPP_BUILD, '-DCMAKE_BUILD_TYPE=Release']);
    await run('cmake', ['--build', CPP_BUILD, '--parallel', '2']);
  },
  spawn: (env) => spawnCommand(`${CPP_BUILD}taskflow-worker`, [], env),
};

export const python: WorkerKind = {
  language: 'python',
  hasStacks: true,
  missing: () => {
    try {
      return works(findPython(), ['-c', 'import jsonschema']) ? undefined : 'the package jsonschema of Python';
    } catch (error) {
      return String(error);
    }
  },
  build: async () => undefined,
  spawn: (env) => spawnPython(['-m', 'taskflow_worker'], env),
};
