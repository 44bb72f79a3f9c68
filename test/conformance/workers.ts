import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { spawnCommand, spawnNode, type TestProcess } from '../support/setup.ts';

const run = promisify(execFile);

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
  spawn: (env) => spawnNode([path('./typescript-worker.ts')], env),
};

const CPP = path('../../workers/cpp/');
const CPP_BUILD = path('../../workers/cpp/build/');

export const cpp: WorkerKind = {
  language: 'cpp',
  hasStacks: false,
  missing: () => {
    if (!existsSync(CPP)) return 'workers/cpp';
    return spawnSync('cmake', ['--version']).status === 0 ? undefined : 'cmake';
  },
  build: async () => {
    await run('cmake', ['-S', CPP, '-B', CPP_BUILD, '-DCMAKE_BUILD_TYPE=Release']);
    await run('cmake', ['--build', CPP_BUILD, '--parallel', '2']);
  },
  spawn: (env) => spawnCommand(`${CPP_BUILD}taskflow-worker`, [], env),
};

const PYTHON_PATH = path('../../workers/python/src');
/** The system's own comes first: its packages are installed for it. */
const PYTHON = ['/usr/bin/python3', 'python3'].find((python) => spawnSync(python, ['-c', 'import redis']).status === 0);

export const python: WorkerKind = {
  language: 'python',
  hasStacks: true,
  missing: () => {
    if (!existsSync(PYTHON_PATH)) return 'workers/python';
    return PYTHON ? undefined : 'a Python with the package redis';
  },
  build: async () => undefined,
  spawn: (env) =>
    spawnCommand(PYTHON ?? 'python3', ['-m', 'taskflow_worker'], {
      ...env,
      PYTHONPATH: PYTHON_PATH,
      PYTHONUNBUFFERED: '1',
    }),
};
