import type { InputShapeFromFields } from '@pothos/core';
import { lockUser, setUserRole, unlockUser } from '../accounts/administer-users.ts';
import { findUsers, USER_PAGE, type UserPage } from '../accounts/find-users.ts';
import { findUserAccount, type UserAccount } from '../accounts/user-store.ts';
import type { WatchedUsers } from '../accounts/watch-accounts.ts';
import { toConnection } from '../tasks/page.ts';
import { checkId } from '../tasks/task-where.ts';
import { builder } from './builder.ts';
import { callerOf } from './context.ts';

type UserRole = 'ADMIN' | 'USER';

const UserRoleType = builder.enumType('UserRole', {
  description: 'What a user may do.',
  values: {
    ADMIN: { description: "Sees and manages everybody's tasks, all queues, and users." },
    USER: { description: 'Sees and manages their own tasks.' },
  } satisfies Record<UserRole, object>,
});

const UserAccountType = builder.objectRef<UserAccount>('UserAccount').implement({
  description: 'An account as admins see it.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7; the `ownerId` of its tasks.' }),
    email: t.exposeString('email', { description: 'In lower case.' }),
    username: t.exposeString('username', { description: 'In lower case.' }),
    role: t.field({
      type: UserRoleType,
      description: 'What the user may do.',
      resolve: ({ isAdmin }): UserRole => (isAdmin ? 'ADMIN' : 'USER'),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the account was made.' }),
    lastSeenAt: t.expose('lastSeenAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a login or an API key of the user was last used, to the minute.',
    }),
    lockedAt: t.expose('lockedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when it is locked; null where it is not.',
    }),
    activeApiKeys: t.exposeInt('activeApiKeys', {
      description: 'API keys that have neither expired nor been revoked. While the user is locked they do not work.',
    }),
    openSessions: t.exposeInt('openSessions', { description: 'Logins that go on.' }),
  }),
});

const UserAccountConnection = builder.connectionObject(
  { type: UserAccountType, name: 'UserAccountConnection', description: 'A page of users.' },
  { name: 'UserAccountEdge', description: 'A user with its place among the others.' },
);

const UserArguments = builder.args((t) => ({
  first: t.int({ description: `How many, at most ${USER_PAGE.max}. Default: ${USER_PAGE.initial}.` }),
  after: t.string({ description: 'The cursor of the last one of the page before.' }),
  search: t.string({ description: 'A part of the email or the username, in any case.' }),
  role: t.field({ type: UserRoleType, description: 'Only those of this role.' }),
  isLocked: t.boolean({ description: 'Only those who are locked, or only those who are not.' }),
}));

const toWatched = ({
  first,
  after,
  search,
  role,
  isLocked,
}: InputShapeFromFields<typeof UserArguments>): WatchedUsers => ({
  where: { search, isAdmin: role ? role === 'ADMIN' : undefined, isLocked },
  first: first ?? undefined,
  after: after ? checkId(after, 'after') : undefined,
});

const connectionOfUsers = ({ users, hasNextPage }: UserPage, after: string | null | undefined) =>
  toConnection({ nodes: users, hasNextPage, hasPreviousPage: Boolean(after) });

builder.queryFields((t) => ({
  user: t.field({
    type: UserAccountType,
    nullable: true,
    description: 'One user; null where there is none. For admins.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { admin: true },
    resolve: async (_root, { id }, { services }) => (await findUserAccount(services.database, checkId(id))) ?? null,
  }),
  users: t.field({
    type: UserAccountConnection,
    description: `The users, newest first, at most ${USER_PAGE.max} a page. Default: the first ${USER_PAGE.initial}. For admins.`,
    args: UserArguments,
    authScopes: { admin: true },
    resolve: async (_root, args, { services }) => {
      const { where, first, after } = toWatched(args);
      return connectionOfUsers(await findUsers(services.database, where, first, after), after);
    },
  }),
}));

builder.subscriptionField('usersUpdated', (t) =>
  t.field({
    type: UserAccountConnection,
    description:
      'A page of the users, as `users` gives it: now, then whenever something on it has changed, at most once a second. For admins.',
    args: UserArguments,
    authScopes: { admin: true },
    subscribe: (_root, args, { services }) => services.userListWatcher.watchUsers(toWatched(args)),
    resolve: (page, { after }) => connectionOfUsers(page, after),
  }),
);

builder.mutationFields((t) => {
  const id = t.arg.id({ required: true, description: "The user's id." });
  return {
    lockUser: t.field({
      type: UserAccountType,
      description:
        'Locks a user, but not oneself: logins, tokens, watch tokens and API keys are refused at once, and within a second in any case, on every node; what is open with them is cut off. Tasks that wait or run, and schedules, go on. For admins.',
      args: { id },
      authScopes: { admin: true },
      resolve: (_root, args, context) => lockUser(context.services, callerOf(context), checkId(args.id)),
    }),
    unlockUser: t.field({
      type: UserAccountType,
      description:
        'Ends the lock of a user: the password and the API keys work again; logins from before stay ended. For admins.',
      args: { id },
      authScopes: { admin: true },
      resolve: (_root, args, context) => unlockUser(context.services, callerOf(context), checkId(args.id)),
    }),
    setUserRole: t.field({
      type: UserAccountType,
      description: 'Makes a user an admin, or an admin an ordinary user; CONFLICT for the last admin. For admins.',
      args: { id, role: t.arg({ type: UserRoleType, required: true, description: 'The new role.' }) },
      authScopes: { admin: true },
      resolve: (_root, args, context) =>
        setUserRole(context.services, callerOf(context), checkId(args.id), args.role === 'ADMIN'),
    }),
  };
});
