import { createRequire, registerHooks } from 'node:module';
import { sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };

/** Names the state of a folder in the URLs of its modules: Node loads a module again only under another URL. */
const GENERATION = 'taskflow-generation';

/** What others import of TaskFlow, as `taskflow/worker`, with the files that it stands for. */
const OWN_MODULES = new Map(
  Object.entries(packageJson.exports).map(([path, file]) => [
    `${packageJson.name}${path.slice(1)}`,
    new URL(`../../${file}`, import.meta.url).href,
  ]),
);
/** By import, and by require. */
const NOT_FOUND = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']);

let generation = 0;
let isHooked = false;
const folders = new Set<string>();

/**
 * Lets modules anywhere import `taskflow/…` and get this very TaskFlow, and `zod` where they have none of their own. Thus a
 * folder of tasks needs no node_modules.
 *
 * @param folder whose modules are loaded anew after each `renewModules`
 */
export const hookModules = (folder?: string): void => {
  if (folder) folders.add(pathToFileURL(folder + sep).href);
  if (isHooked) return;
  isHooked = true;
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const own = OWN_MODULES.get(specifier);
      if (own) return { url: own, shortCircuit: true };
      const resolved = resolveWithFallback(specifier, context, nextResolve);
      const isImported = context.conditions.includes('import');
      return isImported && isOfTasks(resolved.url) ? { ...resolved, url: withGeneration(resolved.url) } : resolved;
    },
  });
};

type Resolve = NonNullable<Parameters<typeof registerHooks>[0]['resolve']>;

const resolveWithFallback = (...[specifier, context, nextResolve]: Parameters<Resolve>): ReturnType<Resolve> => {
  try {
    return nextResolve(specifier, context);
  } catch (error) {
    if (specifier !== 'zod' || !NOT_FOUND.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return { url: import.meta.resolve('zod'), shortCircuit: true };
  }
};

const isOfTasks = (url: string): boolean =>
  !url.includes('/node_modules/') && folders.values().some((folder) => url.startsWith(folder));

const withGeneration = (url: string): string => {
  if (generation === 0) return url;
  const renewed = new URL(url);
  renewed.searchParams.set(GENERATION, String(generation));
  return renewed.href;
};

/** From now on, modules of the hooked folders are loaded again. Those that are loaded stay in memory. */
export const renewModules = (): void => {
  generation++;
  const { cache } = createRequire(import.meta.url);
  for (const path of Object.keys(cache)) if (isOfTasks(pathToFileURL(path).href)) delete cache[path];
};
