import { randomBytes } from 'node:crypto';
import type { GraphQLFormattedError } from 'graphql';
import { v7 as uuidv7 } from 'uuid';
import type { ApiKeyScope } from '../../src/accounts/principal.ts';
import { createGraphQLServer, type GraphQLServer } from '../../src/server/graphql-server.ts';
import { openServices, type RunningServices } from '../../src/server/services.ts';
import { silent } from './factory.ts';
import { type FactoryApp, setupFactory } from './factory-app.ts';
import { LiveTasks } from './live-tasks.ts';
import type { SetupOptions, TestApp } from './setup.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose form the query decides.
type Data = any;

export interface Answer {
  status: number;
  headers: Headers;
  data: Data;
  errors: GraphQLFormattedError[] | undefined;
}

export type Call = (
  query: string,
  variables?: Record<string, unknown>,
  headers?: Record<string, string>,
) => Promise<Answer>;

export interface TestUser {
  id: string;
  email: string;
  username: string;
  /** With the token of a login. */
  headers: Record<string, string>;
  call: Call;
}

/** An api in this process, which tests ask without a socket. No manager and no worker: `live` moves tasks. */
export interface ApiApp extends FactoryApp {
  readonly services: RunningServices;
  readonly yoga: GraphQLServer;
  readonly live: LiveTasks;
  readonly call: Call;
  /** A new user with a login; no admin. */
  user(): Promise<TestUser>;
  /** A new admin with a login. */
  admin(): Promise<TestUser>;
  /** A new API key of a user. @returns the headers with it */
  keyOf(user: TestUser, scopes?: readonly ApiKeyScope[]): Promise<Record<string, string>>;
}

export const PASSWORD = 'correct horse';

/** As `setupFactory`, with an api. */
export const setupApi = async (options: SetupOptions = {}): Promise<ApiApp> => {
  const app = await setupFactory(options);
  await makeFounder(app);
  const node = await openNode(app);
  const { services, call } = node;
  const close = async (): Promise<void> => {
    await node.close();
    await app.close();
  };
  return {
    ...app,
    ...node,
    live: new LiveTasks(app),
    user: () => signUp(call),
    admin: async () => {
      const user = await signUp(call);
      await app.database.user.update({ where: { id: user.id }, data: { isAdmin: true } });
      return user;
    },
    keyOf: async (user, scopes) => {
      const answer = await user.call(
        'mutation ($scopes: [ApiKeyScope!]) { createApiKey(input: { name: "test", scopes: $scopes }) { secret } }',
        {
          scopes: scopes ?? null,
        },
      );
      return { 'x-api-key': answer.data.createApiKey.secret as string };
    },
    services,
    close,
    [Symbol.asyncDispose]: close,
  };
};

/** The first user, who is the admin, so that those whom tests sign up are not. */
const makeFounder = async ({ database }: TestApp): Promise<void> => {
  const id = uuidv7();
  const names = { email: 'founder@example.com', username: 'founder' };
  await database.user.create({ data: { id, ...names, passwordHash: '', isAdmin: true } });
  await database.ownerFeed.create({ data: { ownerId: id } });
};

/** A further api node of the same TaskFlow. The caller closes it. */
export const openNode = async (app: TestApp) => {
  const services = openServices(app.config, silent);
  await services.broker.ready();
  await services.epochs.refresh();
  const yoga = createGraphQLServer(services, app.config);
  const close = async (): Promise<void> => {
    await services.endSubscriptions();
    await services.close();
  };
  return { services, yoga, call: callsOf(yoga), close, [Symbol.asyncDispose]: close };
};

const callsOf =
  (yoga: GraphQLServer): Call =>
  async (query, variables = {}, headers = {}) => {
    const response = await yoga.fetch('http://test/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as Pick<Answer, 'data' | 'errors'>;
    return { status: response.status, headers: response.headers, data, errors };
  };

const signUp = async (call: Call): Promise<TestUser> => {
  const name = `u${randomBytes(8).toString('hex')}`;
  const input = { email: `${name}@example.com`, username: name, password: PASSWORD };
  const answer = await call('mutation ($input: SignUpInput!) { signUp(input: $input) { token user { id } } }', {
    input,
  });
  const { token, user } = answer.data.signUp as { token: string; user: { id: string } };
  const headers = { authorization: `Bearer ${token}` };
  return {
    id: user.id,
    email: input.email,
    username: name,
    headers,
    call: (query, variables, more) => call(query, variables, { ...headers, ...more }),
  };
};

/** The code, field and limit of the only error of an answer. */
export const errorOf = ({ errors }: Pick<Answer, 'errors'>): Record<string, unknown> => {
  if (errors?.length !== 1) throw new Error(`expected one error, not ${JSON.stringify(errors)}`);
  return { ...errors[0]?.extensions };
};
