import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { spawnCommand, type TestProcess } from './processes.ts';

const run = promisify(execFile);

const CPP_WORKER = fileURLToPath(new URL('../../workers/cpp/', import.meta.url));

/** How it is compiled: for use, or with AddressSanitizer or ThreadSanitizer, which end it at the first fault. */
export type CppBuild = 'release' | 'asan' | 'tsan';

/** What this machine lacks to build the worker in C++; undefined: nothing. `.ci/run` installs all of it. */
export const missingForCpp = (): string | undefined =>
  ['cmake', 'ninja', 'g++'].find((tool) => spawnSync(tool, ['--version']).status !== 0);

/** Builds it, unless that was done. Several files may ask for it at the same time. @throws Error with what the compiler says */
export const buildCpp = async (build: CppBuild = 'release'): Promise<void> => {
  await run(`${CPP_WORKER}build.sh`, [build]).catch(({ stdout, stderr }) => {
    throw new Error(`the worker in C++ could not be built:\n${stdout}${stderr}`);
  });
};

/** A program of a build: the worker, or its unit tests. */
export const cppProgram = (name: 'taskflow-worker' | 'unit-tests', build: CppBuild = 'release'): string =>
  `${CPP_WORKER}build/${build}/${name}`;

/** @param env its settings, as of `setup()` */
export const spawnCpp = (env: Readonly<Record<string, string>>, build: CppBuild = 'release'): TestProcess =>
  spawnCommand(cppProgram('taskflow-worker', build), [], env);
