import { describe, expect, test } from 'vitest';
import { type ReplicaServer, startReplica } from '../support/replica.ts';
import { type PrivateServer, startPrivatePostgres, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

interface Replicated extends AsyncDisposable {
  system: System;
  replica: ReplicaServer;
  postgres: PrivateServer;
  submit(): Promise<string>;
  listed(): Promise<string[]>;
}

const LIST = '{ tasks(first: 100) { edges { node { id } } } }';
const USED = /"msg":"lists are read from the replica"/;

const startReplicated = async (settings: Record<string, string> = {}): Promise<Replicated> => {
  const postgres = await startPrivatePostgres();
  const replica = await startReplica(postgres.url);
  const system = await startSystem({
    postgres,
    settingsOf: (databaseUrl) => ({ DATABASE_REPLICA_URL: replica.urlOf(databaseUrl), ...settings }),
  });
  await system.start('manager');
  await system.api.waitForOutput(USED);
  return {
    system,
    replica,
    postgres,
    submit: async () => (await system.submit(1, 'echo', 1))[0] as string,
    listed: async () => {
      const { tasks } = await system.graphql<{ tasks: { edges: { node: { id: string } }[] } }>(LIST);
      return tasks.edges.map(({ node }) => node.id);
    },
    [Symbol.asyncDispose]: async () => {
      await system[Symbol.asyncDispose]();
      await replica[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
    },
  };
};

describe('with a replica', () => {
  test('lists come from there, and single tasks, mutations and what is followed do not', async () => {
    await using app = await startReplicated({ DATABASE_REPLICA_MAX_LAG_MS: '600000' });
    const { system, replica } = app;
    const first = await app.submit();
    await waitFor(async () => (await app.listed()).includes(first));
    await replica.pauseReplay();
    const second = await app.submit();

    expect(await app.listed()).toEqual([first]);
    expect(await system.graphql('query ($id: ID!) { task(id: $id) { id } }', { id: second })).toEqual({
      task: { id: second },
    });
    // Until the manager has told the api that the lane is whole, it refuses.
    const cancel = 'mutation ($id: ID!) { cancelTask(id: $id) { status } }';
    const cancelled = await waitFor(() => system.graphql<object>(cancel, { id: second }).catch(() => undefined));
    expect(cancelled).toEqual({ cancelTask: { status: 'CANCELLED' } });
    // A page that changes are followed from must not be older than its cursor.
    const followed = await system.graphql<{ tasks: { edges: object[] } }>(
      'query ($ownerId: ID!) { tasks(where: { ownerId: $ownerId }) { changesCursor edges { node { id } } } }',
      { ownerId: system.ownerId },
    );
    expect(followed.tasks.edges).toHaveLength(2);

    await replica.resumeReplay();
    await waitFor(async () => (await app.listed()).includes(second));
  });

  test('lists come from the primary while the replica is too far behind', async () => {
    await using app = await startReplicated({ DATABASE_REPLICA_MAX_LAG_MS: '500' });
    await app.replica.pauseReplay();
    const id = await app.submit();
    await app.system.api.waitForOutput(/lists are read from the primary/);
    expect(await app.listed()).toEqual([id]);
    await app.replica.resumeReplay();
    await waitFor(() => app.system.api.output().split(USED).length === 3);
    expect(await app.listed()).toEqual([id]);
  });

  test('no list fails when the replica dies, and it is asked again when it is back', async () => {
    await using app = await startReplicated({ DATABASE_REPLICA_MAX_LAG_MS: '10000' });
    const id = await app.submit();
    await waitFor(async () => (await app.listed()).includes(id));
    await app.replica.kill();
    for (let i = 0; i < 20; i++) expect(await app.listed()).toEqual([id]);
    expect(app.system.api.output()).toContain('lists are read from the primary');
    await app.replica.start();
    await waitFor(() => app.system.api.output().split(USED).length === 3);
    expect(await app.listed()).toEqual([id]);
  });
});
