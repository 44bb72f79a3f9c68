#!/usr/bin/env node
import { Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { startManager } from '../workers/manager/manager.ts';
import { startWorker } from '../workers/runtime/worker.ts';
import { builtInTasks } from '../workers/tasks/index.ts';
import { loadConfig } from './config.ts';
import { applyMigrations } from './database/migrate.ts';
import { runUp } from './local/up.ts';
import { exitWith, openBroker, openConfiguredDatabase, runProcess } from './run-process.ts';
import { startApi } from './server/api.ts';

const program = new Command('taskflow')
  .description('A distributed task queue with a GraphQL face.')
  .version(packageJson.version)
  .showHelpAfterError();

program
  .command('up')
  .description(
    'Runs everything on this machine, with a PostgreSQL and a Redis of its own, and profiles some sample files.',
  )
  .option('--no-sample', 'do not submit the sample tasks')
  .action((options: { sample: boolean }) => runUp(options));

program
  .command('api')
  .description('Runs the GraphQL server. Needs PostgreSQL and Redis.')
  .action(() =>
    runProcess('api', ['database', 'secret'], async (config, logger) => {
      const api = await startApi(config, logger);
      return { stop: () => api.close() };
    }),
  );

program
  .command('manager')
  .description('Runs a manager: it records transitions, schedules and repairs. Needs PostgreSQL and Redis.')
  .action(() =>
    runProcess('manager', ['database'], (config, logger) => {
      const broker = openBroker(config, logger);
      const database = openConfiguredDatabase(config);
      const manager = startManager({ broker, database, config, logger });
      return {
        stop: async () => {
          await manager.stop();
          broker.close();
          await database.$disconnect();
        },
      };
    }),
  );

program
  .command('worker')
  .description('Runs a worker with the built-in tasks. Needs Redis only.')
  .action(() =>
    runProcess('worker', [], (config, logger) => {
      const broker = openBroker(config, logger);
      const worker = startWorker({
        broker,
        tasks: builtInTasks({ filesDir: config.FILES_DIR }),
        queues: config.WORKER_QUEUES.split(','),
        concurrency: config.WORKER_CONCURRENCY,
        leaseMs: config.LEASE_MS,
        heartbeatIntervalMs: config.HEARTBEAT_INTERVAL_SECONDS * 1_000,
        maxResultBytes: config.MAX_RESULT_BYTES,
        logger,
      });
      return {
        stop: async () => {
          await worker.stop({ graceMs: config.SHUTDOWN_GRACE_MS });
          broker.close();
        },
      };
    }),
  );

program
  .command('migrate')
  .description('Brings the database to this version, and makes partitions ahead. Run it once per release.')
  .action(async () => {
    const applied = await applyMigrations(loadConfig(['database']).DATABASE_URL);
    process.stdout.write(applied.length > 0 ? `Applied ${applied.join(', ')}.\n` : 'The database is up to date.\n');
  });

program.parseAsync().catch(exitWith);
