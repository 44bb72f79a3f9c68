import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { spawnCommand, type TestProcess } from './processes.ts';

export const PYTHON_WORKER = fileURLToPath(new URL('../../workers/python/', import.meta.url));

/** The system's own comes first: its packages are installed for it, not for one that happens to stand before it on the PATH. */
const CANDIDATES = ['/usr/bin/python3', 'python3'];

const candidate = CANDIDATES.find((python) => spawnSync(python, ['-c', 'import redis']).status === 0);

/** A Python that has the package `redis`. @throws Error where there is none */
export const findPython = (): string => {
  if (!candidate) throw new Error(`no Python with the package redis among ${CANDIDATES.join(', ')}; see .ci/run`);
  return candidate;
};

/**
 * Starts `python <args>`, which finds the Python worker's package and the modules of `folder`.
 *
 * @param env settings, as of `setup()`
 */
export const spawnPython = (args: readonly string[], env: Readonly<Record<string, string>>, folder = ''): TestProcess =>
  spawnCommand(findPython(), args, {
    ...env,
    PYTHONPATH: [`${PYTHON_WORKER}src`, folder].filter(Boolean).join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
  });
