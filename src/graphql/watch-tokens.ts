import type { IssuedToken } from '../accounts/access-tokens.ts';
import { CreateWatchTokenSchema, createWatchToken, WATCH_MINUTES } from '../accounts/watch-tokens.ts';
import { builder } from './builder.ts';
import { requirePrincipal } from './context.ts';

const WatchTokenType = builder.objectRef<IssuedToken>('WatchToken').implement({
  description: 'Credentials for a browser, which only read and watch some tasks.',
  fields: (t) => ({
    token: t.exposeString('token', { description: 'For the header "Authorization: Bearer <token>".' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'Until when the token is valid.' }),
  }),
});

const CreateWatchTokenInput = builder
  .inputType('CreateWatchTokenInput', {
    description: 'Which tasks: those with one of these ids, and those that have all of these tags. Name one at least.',
    fields: (t) => ({
      taskIds: t.idList({ description: 'Up to 100 ids.' }),
      tags: t.stringList({
        description: 'Up to 20 tags, which a task must all have; also tasks that do not exist yet.',
      }),
      expiresInMinutes: t.int({
        defaultValue: WATCH_MINUTES.initial,
        description: `1 to ${WATCH_MINUTES.max}. It ends before when its API key is revoked, or its login's password is changed.`,
      }),
    }),
  })
  .validate(CreateWatchTokenSchema);

builder.mutationField('createWatchToken', (t) =>
  t.field({
    type: WatchTokenType,
    description:
      "Makes a short-lived token that opens task, tasks, taskUpdated, taskEvents, taskLogs and taskChanges for some of the caller's own tasks, and nothing else.",
    args: { input: t.arg({ type: CreateWatchTokenInput, required: true, description: 'What it shows.' }) },
    authScopes: { apiKey: 'TASKS_READ' },
    resolve: (_root, { input }, context) => createWatchToken(context.services, requirePrincipal(context), input),
  }),
);
