import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageJson from '../package.json' with { type: 'json' };

// `npm run build [folder]`: makes dist/, or the folder, a package of its own that needs no TypeScript. Its files lie as they do
// here, so that whatever finds another by its place finds it there as well. `npm ci` in it installs what it needs to run.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Read at run time. */
const ASSETS = ['src/broker/functions', 'src/server/graphiql', 'prisma', 'web/dist', '.npmrc'];

interface Lock {
  packages: Record<string, { dev?: boolean; devOptional?: boolean; bin?: object; devDependencies?: object }>;
}

const compile = (project: string, folder: string): void => {
  execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['--project', project, '--outDir', folder], {
    cwd: ROOT,
    stdio: 'inherit',
  });
};

const toJs = <T extends Record<string, string>>(entries: T): T =>
  Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, file.replace(/\.ts$/, '.js')])) as T;

/** Ours, without what only development needs. */
const productionPackage = (): object => {
  const { devDependencies: _dev, scripts: _scripts, ...kept } = packageJson;
  return { ...kept, bin: toJs(packageJson.bin), exports: toJs(packageJson.exports) };
};

/**
 * Our lock, without what only development needs. Prisma's command line and TypeScript are optional peers of Prisma's client: npm
 * would install both, 250 MB with what they need, because our lock has them.
 */
const productionLock = (): Lock => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  const kept = Object.entries(lock.packages).filter(([, { dev, devOptional }]) => !dev && !devOptional);
  const { devDependencies: _dev, ...root } = lock.packages[''] ?? {};
  return { ...lock, packages: { ...Object.fromEntries(kept), '': { ...root, bin: toJs(packageJson.bin) } } };
};

const build = (folder: string): void => {
  const write = (name: string, value: object): void =>
    writeFileSync(join(folder, name), `${JSON.stringify(value, undefined, 2)}\n`);
  rmSync(folder, { recursive: true, force: true });
  compile('tsconfig.build.json', folder);
  // Types of what others import, and of no more: many of the schema's have no names.
  compile('tsconfig.types.json', folder);
  // The image builds the dashboard beside this.
  for (const path of ASSETS.filter((path) => existsSync(join(ROOT, path)))) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
  write('package.json', productionPackage());
  write('package-lock.json', productionLock());
  chmodSync(join(folder, toJs(packageJson.bin).taskflow), 0o755);
};

build(resolve(ROOT, process.argv[2] ?? 'dist'));
