import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, type Call, errorOf, openNode, PASSWORD, setupApi, type TestUser } from '../support/api.ts';
import { Factory } from '../support/factory.ts';
import { setup, spawnProcess, waitFor } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let admin: TestUser;
let owner: TestUser;

beforeAll(async () => {
  app = await setupApi();
  admin = await app.admin();
  owner = await app.user();
});
afterAll(() => app.close());

const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { user { id isAdmin } } }';
const sign = (call: Call, name: string) =>
  call(SIGN_UP, { input: { email: `${name}@example.com`, username: name, password: PASSWORD } });

const submit = async (user: TestUser, queue: string): Promise<string> =>
  (await user.call(`mutation { createTask(input: { type: "echo", queue: "${queue}" }) { id } }`)).data.createTask.id;

describe('the first user', () => {
  test('is the admin, also when many sign up at once, and nobody else is', async () => {
    await using fresh = await setup();
    await new Factory(fresh).openShards();
    await using node = await openNode(fresh);
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => sign(node.call, `first${i}`)));
    expect(answers.filter(({ data }) => data.signUp.user.isAdmin)).toHaveLength(1);
    expect((await sign(node.call, 'later')).data.signUp.user.isAdmin).toBe(false);
  });

  test('is not whoever signs up after all others have left', async () => {
    await using fresh = await setup();
    await using node = await openNode(fresh);
    const { data } = await sign(node.call, 'founder');
    await fresh.database.user.delete({ where: { id: data.signUp.user.id } });
    expect((await sign(node.call, 'heir')).data.signUp.user.isAdmin).toBe(false);
  });

  test('is whoever succeeds, not whoever was refused', async () => {
    await using fresh = await setup();
    await using node = await openNode(fresh);
    const answers = await Promise.all([sign(node.call, 'twin'), sign(node.call, 'twin')]);
    const [made] = answers.filter(({ errors }) => !errors);
    expect(made?.data.signUp.user.isAdmin).toBe(true);
  });
});

describe('an admin', () => {
  test('reads and watches the tasks of all, and has a feed of their own', async () => {
    const [theirs, own] = [await submit(owner, 'theirs'), await submit(admin, 'own')];
    const { data } = await admin.call(
      `{ task(id: "${theirs}") { id } tasks(where: { ids: ["${theirs}", "${own}"] }) { edges { node { id } } } }`,
    );
    expect(data.task).toEqual({ id: theirs });
    expect(data.tasks.edges.map(({ node }: { node: { id: string } }) => node.id)).toEqual([own, theirs]);
    const updates = await subscribe(
      app.yoga,
      admin.headers,
      `subscription { taskUpdated(id: "${theirs}") { status } }`,
    );
    expect(await updates.take(1)).toEqual([{ status: 'QUEUED' }]);
    const changes = await subscribe(
      app.yoga,
      admin.headers,
      'subscription { taskChanges(after: "0") { event { taskId } } }',
    );
    expect(await changes.take(1)).toEqual([{ event: { taskId: own } }]);
  });

  test('submits as themselves', async () => {
    const id = await submit(admin, 'mine');
    expect((await owner.call(`{ task(id: "${id}") { id } }`)).data.task).toBeNull();
  });

  test('does not lend their reach to API keys', async () => {
    const theirs = await submit(owner, 'theirs');
    const key = await app.keyOf(admin);
    const { data } = await app.call(`{ task(id: "${theirs}") { id } me { isAdmin } }`, {}, key);
    expect(data).toEqual({ task: null, me: { isAdmin: true } });
    const refused = await app.call('{ auditLog { edges { cursor } } }', {}, key);
    expect(errorOf(refused)).toEqual({ code: 'FORBIDDEN' });
  });

  test('is one on a node from the promotion to the demotion, each within a second or so', async () => {
    const user = await app.user();
    const theirs = await submit(owner, 'theirs');
    const seen = async () => (await user.call(`{ task(id: "${theirs}") { id } }`)).data.task !== null;
    expect(await seen()).toBe(false);
    for (const isAdmin of [true, false]) {
      await app.database.user.update({ where: { id: user.id }, data: { isAdmin } });
      await waitFor(async () => (await seen()) === isAdmin, { timeoutMs: 3_000 });
    }
  });
});

describe('taskflow users', () => {
  const users = async (...args: string[]) => {
    const child = spawnProcess(['users', ...args], app.env);
    const { code } = await child.exit;
    return { code, output: child.output() };
  };

  test('promotes and demotes by email or username', async () => {
    const user = await app.user();
    const isAdmin = async () => (await app.database.user.findUniqueOrThrow({ where: { id: user.id } })).isAdmin;
    const { code, output } = await users('promote', user.email.toUpperCase());
    expect(code).toBe(0);
    expect(await isAdmin()).toBe(true);
    expect(output).toMatch(new RegExp(`^${user.email}\t${user.username}\tadmin\t\\d{4}-\\d\\d-\\d\\d$`, 'm'));
    expect(await users('demote', user.username)).toMatchObject({ code: 0 });
    expect(await isAdmin()).toBe(false);
    const entries = await app.database.auditEntry.findMany({ where: { target: user.id }, orderBy: { id: 'asc' } });
    expect(entries.map(({ action }) => action)).toEqual(['SIGNED_UP', 'USER_PROMOTED', 'USER_DEMOTED']);
  });

  test('changes and notes nothing where it is so already', async () => {
    const user = await app.user();
    expect(await users('demote', user.username)).toMatchObject({ code: 0 });
    expect(await app.database.auditEntry.count({ where: { target: user.id, action: 'USER_DEMOTED' } })).toBe(0);
  });

  test('says in one line that there is no such user', async () => {
    expect(await users('promote', 'nobody')).toEqual({ code: 1, output: 'There is no user nobody.\n' });
  });
});
