import { Argument, type Command, Option } from 'commander';
import { addCommand } from './define.ts';
import { CommandError } from './exit-codes.ts';
import type { Column } from './output.ts';
import { confirm } from './prompt.ts';
import { online, type Session } from './session.ts';
import { age, localTime, plain } from './text.ts';
import { parseCount } from './values.ts';

/** The largest page that the API gives. */
const MAX_PAGE = 500;
const ROLES = ['admin', 'user'] as const;

interface UserRow {
  id: string;
  email: string;
  username: string;
  role: string;
  createdAt: string;
  lastSeenAt: string | null;
  lockedAt: string | null;
  activeApiKeys: number;
  openSessions: number;
}

interface UserPage {
  users: { edges: { node: UserRow }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
}

/** As `users` takes it. */
interface UserFilter {
  search?: string | undefined;
  role?: string | undefined;
  isLocked?: boolean | undefined;
}

interface ListOptions {
  search?: string;
  role?: (typeof ROLES)[number];
  locked?: boolean;
  limit: number;
}

const FIELDS = 'id email username role createdAt lastSeenAt lockedAt activeApiKeys openSessions';
const LIST = `query ($first: Int, $after: String, $search: String, $role: UserRole, $isLocked: Boolean) {
  users(first: $first, after: $after, search: $search, role: $role, isLocked: $isLocked) {
    edges { node { ${FIELDS} } }
    pageInfo { hasNextPage endCursor }
  }
}`;
const LOCK = `mutation ($id: ID!) { user: lockUser(id: $id) { ${FIELDS} } }`;
const UNLOCK = `mutation ($id: ID!) { user: unlockUser(id: $id) { ${FIELDS} } }`;
const SET_ROLE = `mutation ($id: ID!, $role: UserRole!) { user: setUserRole(id: $id, role: $role) { ${FIELDS} } }`;

const COLUMNS: readonly Column<UserRow>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'EMAIL', value: ({ email }) => email },
  { head: 'USERNAME', value: ({ username }) => username },
  { head: 'ROLE', value: ({ role }) => role.toLowerCase() },
  { head: 'SINCE', value: ({ createdAt }) => localTime(createdAt).slice(0, 10) },
  { head: 'SEEN', value: ({ lastSeenAt }) => (lastSeenAt ? age(lastSeenAt) : 'never'), align: 'right' },
  { head: 'KEYS', value: ({ activeApiKeys }) => String(activeApiKeys), align: 'right' },
  { head: 'LOGINS', value: ({ openSessions }) => String(openSessions), align: 'right' },
  { head: 'LOCKED', value: ({ lockedAt }) => (lockedAt ? localTime(lockedAt).slice(0, 10) : ''), style: () => 'red' },
];

/** `users list|lock|unlock|role`, for admins. Users are named by id, email or username. */
export const addUserCommands = (program: Command): void => {
  const users = addCommand(
    program,
    'users',
    'Users, for admins: lists them, locks them out, and says who is an admin.',
    ['taskflow users list'],
  );
  online(
    addCommand(users, 'list', 'Lists users, newest first.', [
      'taskflow users list --role admin',
      'taskflow users list --locked --limit 0 --json | jq -r .email',
    ])
      .option('--search <text>', 'a part of the email or the username')
      .addOption(new Option('--role <role>', 'only those of this role').choices(ROLES))
      .option('--locked', 'only those who are locked')
      .option('--no-locked', 'only those who are not locked')
      .option('--limit <count>', 'how many, at most; 0 for all', parseCount, 50),
    listUsers,
  );
  online(
    addCommand(users, 'lock <user>', 'Keeps a user out: logins and API keys stop working at once.', [
      'taskflow users lock ada@example.com --yes',
    ]).option('-y, --yes', 'do not ask'),
    async (session, { yes }: { yes?: boolean }, name: string) => {
      await confirm(`Logins and API keys of ${plain(name)} will stop working at once. Go on?`, yes === true);
      await change(session, name, LOCK, 'is locked');
    },
  );
  online(
    addCommand(users, 'unlock <user>', "Lets a locked user's password and API keys work again.", [
      'taskflow users unlock ada',
    ]),
    (session, _options, name: string) => change(session, name, UNLOCK, 'is not locked'),
  );
  online(
    addCommand(users, 'role <user>', 'Makes a user an admin, or an admin an ordinary user.', [
      'taskflow users role ada@example.com admin',
      'taskflow users role ada user',
    ]).addArgument(new Argument('<role>', 'which role').choices(ROLES)),
    (session, _options, name: string, role: (typeof ROLES)[number]) =>
      change(session, name, SET_ROLE, `is ${role === 'admin' ? 'an admin' : 'an ordinary user'}`, {
        role: role.toUpperCase(),
      }),
  );
};

const listUsers = async (session: Session, { search, role, locked, limit: given }: ListOptions): Promise<void> => {
  const { output } = session;
  const limit = given || Number.POSITIVE_INFINITY;
  let count = 0;
  for await (const rows of pagesOfUsers(session, { search, role: role?.toUpperCase(), isLocked: locked }, limit)) {
    if (count === 0 || rows.length > 0) await output.table(rows, COLUMNS, 'No user matches.');
    count += rows.length;
  }
  if (count === limit) output.hint(`These are the first ${limit}; --limit 0 shows all.`);
};

/** Users that match, newest first, page by page. */
async function* pagesOfUsers(
  { request }: Session,
  filter: UserFilter,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<UserRow[]> {
  let after: string | null = null;
  let left = limit;
  do {
    const { users }: UserPage = await request(LIST, { ...filter, first: Math.min(left, MAX_PAGE), after });
    yield users.edges.map(({ node }) => node);
    left -= users.edges.length;
    after = users.pageInfo.hasNextPage ? users.pageInfo.endCursor : null;
  } while (after !== null && left > 0);
}

/** @param name an id, an email or a username; the latter two in any case */
const change = async (
  session: Session,
  name: string,
  mutation: string,
  outcome: string,
  more: { role?: string } = {},
): Promise<void> => {
  const id = await findId(session, name);
  const { user } = await session.request<{ user: UserRow }>(mutation, { id, ...more });
  session.output.json(user);
  session.output.line(`${plain(user.username)} (${plain(user.email)}) ${outcome}.`);
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const findId = async (session: Session, name: string): Promise<string> => {
  if (UUID.test(name)) return name;
  const wanted = name.trim().toLowerCase();
  for await (const rows of pagesOfUsers(session, { search: wanted })) {
    const user = rows.find(({ email, username }) => email === wanted || username === wanted);
    if (user) return user.id;
  }
  throw new CommandError('NOT_FOUND', `There is no user ${plain(name)}.`, '`taskflow users list` shows all.');
};
