import './scalars.ts';
import './accounts.ts';
import './sessions.ts';
import './users.ts';
import './api-keys.ts';
import './watch-tokens.ts';
import './audit.ts';
import './tasks.ts';
import './task-subscriptions.ts';
import './task-actions.ts';
import './task-logs.ts';
import './operations.ts';
import './dependencies.ts';
import './flows.ts';
import './schedules.ts';
import './queues.ts';
import './statistics.ts';
import './workers.ts';
import './worker-claims.ts';
import './version.ts';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { builder } from './builder.ts';

export const schema = builder.toSchema();

/** The schema as `schema.graphql` has it. */
export const printedSchema = (): string => `${printSchema(lexicographicSortSchema(schema))}\n`;
