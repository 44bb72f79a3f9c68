import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildCpp, missingForCpp, spawnCpp } from '../support/cpp.ts';
import { findPython, spawnPython } from '../support/python.ts';
import { spawnProcess, type TestProcess } from '../support/setup.ts';

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

export const cpp: WorkerKind = {
  language: 'cpp',
  hasStacks: false,
  missing: missingForCpp,
  build: () => buildCpp(),
  spawn: (env) => spawnCpp(env),
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
