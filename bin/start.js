#!/usr/bin/env node
// The way in on a fresh clone: plain JavaScript for any Node from 20 on, without dependencies. It installs and generates
// what is missing or out of date, then runs the rest with the Node 24 that npm installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildDashboard, hasDashboardSources, isDashboardBuilt, WEB } from './dashboard.js';
import { withLock } from './lock.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');
const GENERATED = join(ROOT, 'src', 'database', 'generated');

const env = {
  ...process.env,
  PATH: `${BIN}${delimiter}${process.env.PATH}`,
  // Prisma wants to download its schema engine when it is installed and when it generates, and uses it for neither. Any
  // file that exists keeps it from that.
  PRISMA_SCHEMA_ENGINE_BINARY: process.env.PRISMA_SCHEMA_ENGINE_BINARY ?? process.execPath,
};

const readJson = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
};

/**
 * Whether a folder's node_modules holds what its package-lock.json asks for. npm notes what it has installed in a file of the
 * same form; optional packages may be missing there, since most of them are for other systems.
 */
const isInstalled = (folder) => {
  const wanted = readJson(join(folder, 'package-lock.json'))?.packages ?? {};
  const present = readJson(join(folder, 'node_modules', '.package-lock.json'))?.packages;
  if (!present) return false;
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    if (path === '') return true;
    const found = present[path];
    return found ? found.version === version : optional === true || devOptional === true;
  });
};

/** A fingerprint of what the generated client is made from. */
const generatorInput = () => {
  const hash = createHash('sha256').update(readFileSync(join(ROOT, 'prisma', 'schema.prisma')));
  for (const name of ['prisma', '@pothos/plugin-prisma']) {
    hash.update(String(readJson(join(ROOT, 'node_modules', name, 'package.json'))?.version));
  }
  return hash.digest('hex');
};

const STAMP = join(GENERATED, '.input-hash');

const isGenerated = () =>
  existsSync(join(GENERATED, 'client', 'client.ts')) &&
  existsSync(STAMP) &&
  readFileSync(STAMP, 'utf8') === generatorInput();

/** Runs a program until its end. Its own output is shown, and signals reach it. @returns the exit code */
const run = (command, args, options = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env,
      ...options,
      stdio: 'inherit',
      shell: process.platform === 'win32',
    });
    const forward = (signal) => {
      // Ctrl-C reaches the child directly, and a second signal might mean "at once" to it. This process only waits.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    child.on('error', (error) => {
      console.error(`${command} cannot be run: ${error.message}`);
      resolve(127);
    });
    child.on('exit', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });

const tool = (name, ...args) => run(join(BIN, name), args);

/**
 * Does what a checkout still lacks, unless another process, started at the same time, has done so meanwhile.
 *
 * @param isDone whether there is nothing to do
 * @param work gives an exit code
 * @returns the exit code
 */
const prepare = async (isDone, work) => {
  if (isDone()) return 0;
  const onWait = () => console.log('Waiting for another process, which prepares the same');
  return withLock(join(ROOT, '.preparing'), () => (isDone() ? 0 : work()), onWait);
};

const install = (folder = ROOT) =>
  prepare(
    () => isInstalled(folder) && existsSync(join(BIN, 'node')),
    () => runInstall(folder),
  );

const runInstall = (folder) => {
  console.log(
    `Installing packages${folder === ROOT ? '' : ` of ${basename(folder)}/`} with npm ci; the first time this takes a minute`,
  );
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder];
  const npm = process.env.npm_execpath;
  return npm?.endsWith('.js') ? run(process.execPath, [npm, ...args]) : run('npm', args);
};

const runGenerate = async () => {
  console.log('Generating the database client from prisma/schema.prisma');
  const code = await tool('prisma', 'generate', '--no-hints');
  if (code === 0) writeFileSync(STAMP, generatorInput());
  return code;
};

/** The database client: when asked for, also where it is there already. */
const generate = (isAskedFor) => prepare(() => !isAskedFor && isGenerated(), runGenerate);

/** The dashboard, unless it is built already or this is a package that brings it along. */
const prepareDashboard = async () => {
  const isDone = () => !hasDashboardSources() || isDashboardBuilt();
  if (isDone()) return 0;
  const bin = join(WEB, 'node_modules', '.bin');
  // Otherwise the build would be what the environment says: tests run in "test", where React checks much.
  const options = { cwd: WEB, env: { ...env, NODE_ENV: 'production' } };
  const build = () => buildDashboard((name, ...args) => run(join(bin, name), args, options));
  return (await install(WEB)) || prepare(isDone, build);
};

const TESTS = ['vitest', 'run'];
/** On which kinds of Redis, where it does not say: see vitest.config.ts. */
const ALL_KINDS_OF_REDIS = 'server,cluster';
const CHECKS = [['biome', 'check', '--error-on-warnings'], ['tsc'], ['tsc', '-p', 'web'], TESTS];

const COMMANDS = {
  up: (args) => [['node', 'src/cli.ts', 'up', ...args]],
  test: (args) => (args.length > 0 ? [[...TESTS, ...args]] : CHECKS),
  bench: (args) => [['node', 'bench/run.ts', ...args]],
  build: (args) => [['node', 'bin/build.ts', ...args]],
  generate: () => [],
  dashboard: () => [],
};

const main = async ([name = 'up', ...args]) => {
  const command = COMMANDS[name];
  if (!command) {
    console.error(`unknown command ${name}; there are: ${Object.keys(COMMANDS).join(', ')}`);
    return 2;
  }
  const preparations = [
    install,
    // Benchmarks compare with other task queues, which nothing else needs. Their tests run them, too.
    () => (name === 'bench' || name === 'test' ? install(join(ROOT, 'bench')) : 0),
    // Charts are rendered by the real Helm.
    () => (name === 'test' ? install(join(ROOT, 'test', 'deploy', 'tools')) : 0),
    // Its types are checked with its packages, also when it is built already.
    () => (name === 'test' ? install(WEB) : 0),
    () => (name === 'bench' ? 0 : prepareDashboard()),
    () => generate(name === 'generate'),
  ];
  if (name === 'test' && args.length === 0) env.TEST_REDIS ??= ALL_KINDS_OF_REDIS;
  const steps = command(args).map((step) => () => tool(...step));
  for (const step of [...preparations, ...steps]) {
    const code = await step();
    if (code !== 0) return code;
  }
  return 0;
};

process.exitCode = await main(process.argv.slice(2));
