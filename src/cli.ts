#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { Command, CommanderError } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { withExamples } from './commands/define.ts';
import { CommandError } from './commands/exit-codes.ts';
import { endWith, report } from './commands/failure.ts';
import { addCommands } from './commands/index.ts';
import { directUrl, loadConfig } from './config.ts';
import { exitWith, runProcess, type Start } from './run-process.ts';

// Each command loads only what it needs: a worker starts without GraphQL and Prisma, in half the time and memory. What it
// loads is compiled once a machine.
enableCompileCache();

interface WorkerCommandOptions {
  tasks?: string;
  watch?: boolean;
  queues?: string;
  concurrency?: string;
  builtins: boolean;
}

const program = new Command('taskflow')
  .description('A distributed task queue with a GraphQL face.')
  .version(packageJson.version)
  .showHelpAfterError('(--help shows the options, with an example)')
  .exitOverride();

addCommands(program);
program.commandsGroup('Processes and upkeep:');

program
  .command('up')
  .description(
    'Runs everything on this machine, with a PostgreSQL and a Redis of its own, and profiles some sample files.',
  )
  .option('--no-sample', 'do not submit the sample tasks')
  .action(async (options: { sample: boolean }) => {
    const { runUp } = await import('./local/up.ts');
    await runUp(options);
  });

program
  .command('api')
  .description('Runs the GraphQL server. Needs PostgreSQL and Redis.')
  .option('--persisted <file>', 'run only the operations of this file, as PERSISTED_OPERATIONS does')
  .action(({ persisted }: { persisted?: string }) =>
    runProcess('api', ['database', 'secret'], async (config, logger, registry) => {
      const { startApi } = await import('./server/api.ts');
      const api = await startApi(persisted ? { ...config, PERSISTED_OPERATIONS: persisted } : config, logger, registry);
      return { stop: () => api.close(), checkReadiness: api.checkReadiness };
    }),
  );

program
  .command('manager')
  .description('Runs a manager: it records transitions, schedules and repairs. Needs PostgreSQL and Redis.')
  .action(() =>
    runProcess('manager', ['database'], async (config, logger, registry) => {
      const { runManager } = await import('../workers/manager/run-manager.ts');
      return runManager(config, logger, registry);
    }),
  );

program
  .command('worker')
  .description('Runs a worker with the built-in tasks, and with those of a folder. Needs Redis only.')
  .option('--tasks <folder>', 'whose .ts and .js files export task types; as WORKER_TASKS does')
  .option('--watch', 'load them again whenever they change; as WORKER_WATCH does')
  .option('--queues <names>', 'queues to serve, as "mail,images:5"; as WORKER_QUEUES does')
  .option('--concurrency <count>', 'how many tasks run at once; as WORKER_CONCURRENCY does')
  .option('--no-builtins', 'without the built-in tasks; as WORKER_BUILTINS=false does')
  .action((options: WorkerCommandOptions) => {
    const settings = {
      WORKER_TASKS: options.tasks,
      WORKER_WATCH: options.watch ? 'true' : undefined,
      WORKER_QUEUES: options.queues,
      WORKER_CONCURRENCY: options.concurrency,
      WORKER_BUILTINS: options.builtins ? undefined : 'false',
    };
    const start: Start = async (config, logger, registry) => {
      const { runWorker } = await import('../workers/sdk/run-worker.ts');
      return runWorker(config, logger, registry);
    };
    return runProcess('worker', [], start, settings);
  });

program
  .command('janitor')
  .description('Revokes and deletes old API keys, drops old tasks, makes partitions: once, or again and again.')
  .option('--every <interval>', 'again so long after the end of each run: 500ms, 30s, 5m, 1h, 1d')
  .option('--dry-run', 'only say what it would do', false)
  .action(async ({ every, dryRun: isDryRun }: { every?: string; dryRun: boolean }) => {
    const { parseInterval } = await import('../workers/janitor/parse-interval.ts');
    const { runJanitorOnce, startJanitor } = await import('../workers/janitor/run-janitor.ts');
    if (every === undefined) {
      process.exitCode = await runJanitorOnce(isDryRun);
      return;
    }
    const everyMs = parseInterval(every);
    await runProcess('janitor', ['database'], async (config, logger, registry) => {
      if (registry) (await import('./metrics/janitor-metrics.ts')).measureJanitor(registry);
      return startJanitor(config, logger, { everyMs, isDryRun });
    });
  });

program
  .command('migrate')
  .description('Brings the database to this version, and makes partitions ahead. Run it once per release.')
  .action(async () => {
    const { applyMigrations } = await import('./database/migrate.ts');
    const applied = await applyMigrations(directUrl(loadConfig(['database'])));
    process.stdout.write(applied.length > 0 ? `Applied ${applied.join(', ')}.\n` : 'The database is up to date.\n');
  });

program
  .command('after-restore')
  .description('After a backup of PostgreSQL was restored, before anything is started: see docs/operations.md.')
  .action(async () => {
    const { runAfterRestore } = await import('./database/after-restore.ts');
    await runAfterRestore();
  });

const payloadIndex = program
  .command('payload-index')
  .description('Makes or drops an index that finds tasks by what stands in their payloads. Needs PostgreSQL.');

payloadIndex
  .command('create')
  .description('Makes it while everything goes on. Submissions cost more from then on: see docs/search.md.')
  .action(async () => {
    const { runCreatePayloadIndex } = await import('./database/payload-index.ts');
    await runCreatePayloadIndex();
  });

payloadIndex
  .command('drop')
  .description('Drops it. Searches by payload still work, but look at task after task.')
  .action(async () => {
    const { runDropPayloadIndex } = await import('./database/payload-index.ts');
    await runDropPayloadIndex();
  });

// These two go past the API: an operator's way back in where no admin is left who could log in.
const users = program.commands.find((command) => command.name() === 'users') as Command;

for (const [name, isAdmin, meaning] of [
  ['promote', true, 'Makes a user an admin, straight in PostgreSQL: the way back in where no admin can log in.'],
  ['demote', false, 'Makes an admin an ordinary user, straight in PostgreSQL; also the last admin.'],
] as const) {
  users
    .command(name)
    .description(meaning)
    .argument('<user>', 'an email or a username')
    .action(async (identifier: string) => {
      const { runSetAdmin } = await import('./accounts/users-command.ts');
      await runSetAdmin(identifier, isAdmin);
    });
}

/** At the end of the help of each. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  up: ['npm start -- --no-sample', 'PORT=4001 TASKFLOW_HOME=.taskflow-2 taskflow up'],
  api: ['taskflow api', 'taskflow api --persisted operations.json'],
  manager: ['taskflow manager'],
  worker: ['taskflow worker', 'taskflow worker --tasks ./my-tasks --watch --queues mail,images:5'],
  janitor: ['taskflow janitor --dry-run', 'taskflow janitor --every 1h'],
  migrate: ['taskflow migrate'],
  'after-restore': ['taskflow after-restore'],
  'payload-index create': ['taskflow payload-index create'],
  'payload-index drop': ['taskflow payload-index drop'],
  'users promote': ['taskflow users promote ada@example.com'],
  'users demote': ['taskflow users demote ada'],
};

for (const [path, examples] of Object.entries(EXAMPLES)) {
  const command = path
    .split(' ')
    .reduce<Command | undefined>((parent, name) => parent?.commands.find((child) => child.name() === name), program);
  if (command) withExamples(command, examples);
}

program.parseAsync().catch((error: unknown) => {
  // Commander's complaints, and those of what reads options.
  const isUsage = error instanceof CommanderError || error instanceof CommandError;
  return isUsage ? endWith(report(error, process.argv.includes('--json'))) : exitWith(error);
});
