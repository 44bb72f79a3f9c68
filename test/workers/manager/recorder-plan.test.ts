import { afterAll, beforeAll, expect, test } from 'vitest';
import { poolsOf } from '../../../src/database/client.ts';
import type { Task } from '../../../src/tasks/task-store.ts';
import { recordAll, recordingOf, type Term } from '../../../workers/manager/record-store.ts';
import type { Factory } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { query } from '../../support/setup.ts';
import { beginTermOf, completion } from '../../support/transitions.ts';

let app: FactoryApp;
let factory: Factory;
let term: Term;
let ownerId: string;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
  term = await beginTermOf(app);
  ownerId = await factory.owner();
});
afterAll(() => app.close());

const submit = (count: number) => factory.submit(Array.from({ length: count }, () => ({ ownerId })));

/** The plan that is kept for the recorder's statement, if it is made now: it is made without looking at what is recorded. */
const keptPlan = async (): Promise<string> => {
  const { text } = recordingOf(term, completion((await submit(1))[0] as Task));
  const { rows } = await poolsOf(app.database).direct.query<{ 'QUERY PLAN': string }>(`EXPLAIN (GENERIC_PLAN) ${text}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
};

test('its plan is the same for empty, small and grown tables, whatever PostgreSQL knows of them', async () => {
  const states: [string, () => Promise<unknown>][] = [
    ['never looked at', async () => {}],
    [
      'few tasks, analysed',
      async () =>
        recordAll(
          app.database,
          term,
          (await submit(3)).flatMap((task) => completion(task)),
        ),
    ],
    ['analysed', () => query(app.databaseUrl, 'ANALYZE')],
    ['grown since', () => submit(5_000)],
    ['grown, analysed', () => query(app.databaseUrl, 'ANALYZE')],
  ];
  for (const [name, arrive] of states) {
    await arrive();
    const plan = await keptPlan();
    expect(plan, name).toMatch(/Hash Cond: \(\((n\.id = t\.id|t\.id = n\.id)\) AND/);
    expect(plan, name).toMatch(/Index Cond: \(\(id = ANY/);
    expect(plan, name).not.toMatch(/Seq Scan on tasks|Join Filter/);
  }
});
