import { endSession } from '../accounts/end-session.ts';
import { findSessions, type LoginSession, MAX_SESSIONS } from '../accounts/session-store.ts';
import { checkId } from '../tasks/task-where.ts';
import { builder } from './builder.ts';
import { callerOf, requirePrincipal } from './context.ts';

const LoginSessionType = builder.objectRef<LoginSession>('LoginSession').implement({
  description: 'A login that goes on: with its tokens, which are renewed from time to time.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the password was given.' }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', description: 'When it was last used, to the minute.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it ends, unless it is renewed before.' }),
    userAgent: t.exposeString('userAgent', {
      nullable: true,
      description: 'What the client that logged in said that it is.',
    }),
    address: t.exposeString('address', { nullable: true, description: 'Where from.' }),
    isCurrent: t.boolean({
      description: 'Is it the one that asks?',
      resolve: ({ id }, _args, context) => id === requirePrincipal(context).sessionId,
    }),
  }),
});

builder.queryField('sessions', (t) =>
  t.field({
    type: [LoginSessionType],
    description: `The caller's logins that go on, the newest first, at most ${MAX_SESSIONS}.`,
    authScopes: { login: true },
    resolve: (_root, _args, context) => findSessions(context.services.database, requirePrincipal(context).userId),
  }),
);

builder.subscriptionField('sessionsUpdated', (t) =>
  t.field({
    type: [LoginSessionType],
    description:
      "The caller's logins, as `sessions` lists them: now, then whenever they have changed, at most once a second.",
    authScopes: { login: true },
    subscribe: (_root, _args, context) => context.services.sessionWatcher.watch(requirePrincipal(context).userId),
    resolve: (sessions) => sessions,
  }),
);

builder.mutationField('endSession', (t) =>
  t.field({
    type: LoginSessionType,
    description:
      "Ends one of the caller's logins, and answers with it as it was: its tokens are refused at once, and within a second in any case, on every node, and what is open with them is cut off. API keys and watch tokens go on.",
    args: { id: t.arg.id({ description: 'Which one. Default: the one that asks, to log out.' }) },
    authScopes: { login: true },
    resolve: (_root, { id }, context) => endSession(context.services, callerOf(context), id ? checkId(id) : undefined),
  }),
);
