import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TaskFlowError } from '../../src/errors.ts';
import { definitionsOf, locateTask, type TaskDefinition } from '../runtime/define-task.ts';
import { hookModules } from '../runtime/module-hooks.ts';

const MODULE = /\.[cm]?[jt]s$/;
/** Declarations have no code, and tests are not meant for workers. */
const OTHER = /\.d\.[cm]?ts$|\.(?:test|spec)\.[cm]?[jt]s$|^\./;

/** A task type with the file that exports it. */
interface Found {
  file: string;
  definition: TaskDefinition;
}

/**
 * Loads the task types that the files of a folder export: .ts, .js and their like, directly in it; what they import may stand
 * in folders below. An export may be one that defineTask() made, or a list of those.
 *
 * @param path the folder, or one file
 * @throws TaskFlowError BAD_USER_INPUT that names the file: when it cannot be loaded, when a type is there twice, and when
 *   there is no task at all
 */
export const loadTasks = async (path: string): Promise<TaskDefinition[]> => {
  const files = await listModules(path);
  const folder = files[0] ? dirname(files[0]) : path;
  hookModules(folder);
  const found = new Map<string, Found>();
  for (const file of files) {
    for (const definition of await loadFile(file)) {
      const other = found.get(definition.type);
      if (!other) found.set(definition.type, { file, definition });
      else if (other.definition !== definition) throw twice(definition.type, file, other.file);
    }
  }
  if (found.size === 0) {
    throw new TaskFlowError('BAD_USER_INPUT', `${path} has no tasks: no file in it exports what defineTask() made.`);
  }
  return [...found.values()].map(({ file, definition }) => locateTask(definition, pathToFileURL(file).href));
};

const listModules = async (path: string): Promise<string[]> => {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isFile()) return [real];
    const names = (await readdir(real, { withFileTypes: true }))
      .filter(
        (entry) => (entry.isFile() || entry.isSymbolicLink()) && MODULE.test(entry.name) && !OTHER.test(entry.name),
      )
      .map(({ name }) => name);
    return names.sort().map((name) => join(real, name));
  } catch (cause) {
    throw new TaskFlowError('BAD_USER_INPUT', `cannot read the tasks in ${path}: ${(cause as Error).message}`);
  }
};

const loadFile = async (file: string): Promise<TaskDefinition[]> => {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new TaskFlowError('BAD_USER_INPUT', `cannot load the tasks of ${file}: ${reason}`, {}, { cause });
  }
  return definitionsOf(module);
};

const twice = (type: string, file: string, other: string): TaskFlowError =>
  new TaskFlowError(
    'BAD_USER_INPUT',
    file === other
      ? `${file} defines the task type "${type}" twice.`
      : `the task type "${type}" is defined twice: in ${other} and in ${file}.`,
  );
